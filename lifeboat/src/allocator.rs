//! The allocator: jemalloc, which gives freed memory back.
//!
//! A backup holds frames of up to 1 MiB for as long as their segment is open, among small and short-lived buffers. Between
//! them glibc's allocator keeps what was freed: 8 GB took 140 to 173 MB with 96 MiB of buffers and two arenas. One arena of
//! jemalloc that gives freed pages back after a quarter of a second, and buffers from 2 MiB on at once, takes 105 to 116 MB
//! at the same speed; given back at once they are faulted in anew again and again, for a quarter of the speed.
//!
//! `.cargo/config.toml` sets that when the allocator is compiled: set from the program it would take unsafe code.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
