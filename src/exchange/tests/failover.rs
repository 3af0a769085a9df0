//! Failures before any content.
