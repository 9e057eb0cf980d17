//! The allocator: jemalloc, which gives freed memory back.
//!
//! A backup holds frames of up to 1 MiB for as long as their segment is open, among small and short-lived buffers. Between
//! them glibc's allocator keeps what was freed: 8 GB took 140 to 173 MB with 96 MiB of buffers and two arenas. One arena of
//! jemalloc that gives freed pages back after half a second, and buffers from 16 MiB on at once, takes 102 to 132 MB. With
//! buffers from 2 MiB on, as the answers of brokers are, given back at once it takes 16 MB less and a tenth longer: they are
//! faulted in anew again and again.
//!
//! `.cargo/config.toml` sets that when the allocator is compiled: set from the program it would take unsafe code.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
