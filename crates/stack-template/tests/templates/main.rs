//! What is read from templates, and what is found in them.

mod buckets;
mod common;
mod findings;
mod infra_files;
mod robustness;
mod understood;
