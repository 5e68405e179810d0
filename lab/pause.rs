//! Process 1 of a machine and of every pod: holds the namespaces, reaps orphans, ends when told to.
//!
//! Compiled on its own (`rustc -O -C panic=abort -C target-feature=+crt-static`), so it links nothing but libc.

use std::ffi::c_int;

const SIGINT: c_int = 2;
const SIGTERM: c_int = 15;
const SIGCHLD: c_int = 17;
const SIG_IGN: usize = 1;

unsafe extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
    fn pause() -> c_int;
    fn _exit(code: c_int) -> !;
}

extern "C" fn end(_: c_int) {
    // SAFETY: _exit is async-signal-safe and never returns.
    unsafe { _exit(0) }
}

fn main() {
    // SAFETY: process 1 gets no default action for a signal, so the two that end it need a handler; with
    // SIGCHLD ignored the kernel reaps every orphan itself (signal(7), wait(2)).
    unsafe {
        signal(SIGINT, end as *const () as usize);
        signal(SIGTERM, end as *const () as usize);
        signal(SIGCHLD, SIG_IGN);
        loop {
            pause();
        }
    }
}
