//! rpm
