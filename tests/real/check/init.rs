//! init-store on stores that exist.
