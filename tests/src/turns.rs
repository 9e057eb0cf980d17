//! How many tests have clusters of their own at once.

use std::{
    num::NonZero,
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

/// Those of this process.
static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    // a test with two clusters waits for them half of the time: one more than there are cores
    Turns::new(available_parallelism().map_or(2, NonZero::get) + 1)
});

/// A test's turn; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'t> {
    turns: &'t Turns,
    takes: usize,
}

impl Turn<'static> {
    /// Waits for it; `takes` the place of so many usual tests.
    pub(crate) fn wait(takes: usize) -> Self {
        TURNS.wait(takes)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().taken -= self.takes;
        self.turns.changed.notify_all();
    }
}

#[derive(Debug)]
struct Turns {
    places: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// How many have asked so far: the number of the one that asks next.
    asked: usize,
    /// The number of the one whose turn is next: who needs much is not overtaken by who needs little.
    next: usize,
}

impl Turns {
    fn new(places: usize) -> Self {
        Self {
            places,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn wait(&self, takes: usize) -> Turn<'_> {
        let takes = takes.min(self.places);
        let mut state = self.lock();
        let number = state.asked;
        state.asked += 1;
        let not_yet = |state: &mut State| state.next != number || state.taken + takes > self.places;
        let waited = self.changed.wait_while(state, not_yet);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.next += 1;
        state.taken += takes;
        self.changed.notify_all();
        Turn { turns: self, takes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn turns_come_in_order_and_never_more_at_once_than_there_are_places() {
        let turns = Turns::new(3);
        let (begun, order) = mpsc::channel();
        let until_asked = |number| {
            while turns.lock().asked < number {
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            let first = turns.wait(2);
            for (number, takes) in [(1, 2), (2, 1), (3, 9)] {
                let (turns, begun) = (&turns, begun.clone());
                scope.spawn(move || {
                    let turn = turns.wait(takes);
                    let taken = turns.lock().taken;
                    begun.send((number, taken)).unwrap();
                    drop(turn);
                });
                until_asked(number + 1);
            }
            // there would be room for the small one, which came later
            assert!(order.try_recv().is_err());
            drop(first);
        });
        drop(begun);
        let order: Vec<_> = order.iter().collect();
        assert!(order.iter().all(|(_, taken)| *taken <= 3), "{order:?}");
        assert_eq!(order.last(), Some(&(3, 3)), "{order:?}");
        assert_eq!(order.len(), 3);
        assert_eq!(turns.lock().taken, 0);
    }
}
