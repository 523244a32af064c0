//! Tenants that move from the pool into a silo: through the real functions, with tables and buckets read directly.

mod crashes;
mod neighbours;
mod place;
mod requests;
mod walk;
mod writers;
