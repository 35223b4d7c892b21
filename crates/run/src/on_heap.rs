//! Futures that are made on the heap.

use std::pin::Pin;

/// Makes a future on the heap, and nowhere else on the way there. What is awaited where it is made has
/// its place in the frame of whoever awaits, in a build that is not optimised more than one: a run
/// within a run (`room.rs`) would not fit on the two mebibytes of a thread.
#[inline(never)]
pub(crate) fn on_heap<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}
