//! Stores that nothing is wrong with.
