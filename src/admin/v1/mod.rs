//! Version 1 of the API: one folder a resource, one file an operation.

pub mod answer;
pub mod audit;
pub mod conditions;
pub mod control;
pub mod decisions;
pub mod documents;
pub mod keys;
pub mod owners;
pub mod plans;
pub mod roles;
