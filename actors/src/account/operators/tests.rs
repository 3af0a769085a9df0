//! Tests of what the operators' actor decides and keeps.
