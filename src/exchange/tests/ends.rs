//! How exchanges end.
