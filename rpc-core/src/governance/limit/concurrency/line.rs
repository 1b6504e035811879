//! Those who wait for a place: four lists, one for each priority, in one piece of memory, so that
//! anyone can leave the middle of it in a few steps. Knows nothing of who is in.

use std::task::Waker;
use std::time::Duration;

use super::overloaded::Overloaded;
use super::shares::RANKS;
use crate::governance::Moment;

/// The line has not been empty for so long: overload. Both this and [`SHORT`] are the values that
/// Facebook found to serve very different services (Maurer, "Fail at Scale", ACM Queue 2015).
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// How long one may wait under overload.
pub(super) const SHORT: Duration = Duration::from_millis(5);

/// "Nobody", where a number of a place is expected.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Line {
    /// Also those who have been told something and did not come for it yet.
    nodes: Vec<Node>,
    /// The first of the nodes that can be used again, linked by `next`.
    free: u32,
    lists: [List; RANKS],
    waiting: u32,
    /// The latest moment that anyone has told.
    now: Moment,
    /// When the line last stopped being empty.
    busy_since: Moment,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

#[derive(Debug)]
struct Node {
    rank: usize,
    since: Moment,
    answer: Answer,
    waker: Option<Waker>,
    older: u32,
    newer: u32,
}

/// What one who waits has been told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// Nothing yet.
    None,
    /// Come in: so many are in, this one included.
    In(u32),
    Refused(Overloaded),
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            free: NONE,
            lists: [List { oldest: NONE, newest: NONE }; RANKS],
            waiting: 0,
            now: Moment::default(),
            busy_since: Moment::default(),
        }
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// It is `now`, or later.
    pub(super) fn see(&mut self, now: Moment) {
        self.now = self.now.max(now);
    }

    pub(super) fn is_overloaded(&self) -> bool {
        self.waiting > 0 && self.now.since(self.busy_since) >= INTERVAL
    }

    /// The rank of the one that matters most.
    pub(super) fn first_rank(&self) -> Option<usize> {
        (0..RANKS).find(|rank| self.lists[*rank].oldest != NONE)
    }

    /// The rank of the one that matters least.
    pub(super) fn last_rank(&self) -> Option<usize> {
        (0..RANKS).rev().find(|rank| self.lists[*rank].oldest != NONE)
    }

    pub(super) fn oldest(&self, rank: usize) -> Option<u32> {
        Some(self.lists[rank].oldest).filter(|place| *place != NONE)
    }

    pub(super) fn newest(&self, rank: usize) -> Option<u32> {
        Some(self.lists[rank].newest).filter(|place| *place != NONE)
    }

    /// How long this one has been waiting.
    pub(super) fn waited(&self, place: u32) -> Duration {
        self.now.since(self.nodes[place as usize].since)
    }

    /// One more, at the end; its place is kept until it is [taken back](Self::take_back).
    pub(super) fn push(&mut self, rank: usize) -> u32 {
        if self.waiting == 0 {
            self.busy_since = self.now;
        }
        let older = self.lists[rank].newest;
        let node =
            Node { rank, since: self.now, answer: Answer::None, waker: None, older, newer: NONE };
        let place = self.free;
        let place = if place == NONE {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).expect("the queue's bound is a u32")
        } else {
            self.free = self.nodes[place as usize].newer;
            self.nodes[place as usize] = node;
            place
        };
        match older {
            NONE => self.lists[rank].oldest = place,
            older => self.nodes[older as usize].newer = place,
        }
        self.lists[rank].newest = place;
        self.waiting += 1;
        place
    }

    /// This one need not wait any longer. Returned is who has to be woken, outside of the lock.
    pub(super) fn answer(&mut self, place: u32, answer: Answer) -> Option<Waker> {
        self.unlink(place);
        let node = &mut self.nodes[place as usize];
        node.answer = answer;
        node.waker.take()
    }

    /// What it has been told, else who is to be woken when it is. The waker that is no longer
    /// needed comes back, to be dropped outside of the lock.
    pub(super) fn ask(&mut self, place: u32, waker: Waker) -> (Answer, Option<Waker>) {
        let node = &mut self.nodes[place as usize];
        match node.answer {
            Answer::None => (Answer::None, node.waker.replace(waker)),
            answer => (answer, Some(waker)),
        }
    }

    /// It goes; what it has been told so far, and a waker to be dropped outside of the lock.
    pub(super) fn take_back(&mut self, place: u32) -> (Answer, Option<Waker>) {
        let answer = self.nodes[place as usize].answer;
        if matches!(answer, Answer::None) {
            self.unlink(place);
        }
        let node = &mut self.nodes[place as usize];
        node.newer = self.free;
        let waker = node.waker.take();
        self.free = place;
        (answer, waker)
    }

    fn unlink(&mut self, place: u32) {
        let Node { rank, older, newer, .. } = self.nodes[place as usize];
        match older {
            NONE => self.lists[rank].oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
        match newer {
            NONE => self.lists[rank].newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        self.waiting -= 1;
    }

    /// Places in memory, used or not.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.nodes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The lists do what four deques would, whoever leaves from wherever.
        #[test]
        fn it_is_four_queues(steps in prop::collection::vec((0..4_usize, 0..5_usize, any::<prop::sample::Index>()), 0..200)) {
            let mut line = Line::new();
            let mut model: [VecDeque<u32>; RANKS] = Default::default();
            let mut told = Vec::new();
            for (rank, step, which) in steps {
                match step {
                    0 | 1 => model[rank].push_back(line.push(rank)),
                    2 => {
                        prop_assert_eq!(line.oldest(rank), model[rank].front().copied());
                        if let Some(place) = model[rank].pop_front() {
                            line.answer(place, Answer::In(1));
                            told.push(place);
                        }
                    }
                    3 => {
                        prop_assert_eq!(line.newest(rank), model[rank].back().copied());
                        if !model[rank].is_empty() {
                            let place = model[rank].remove(which.index(model[rank].len()));
                            line.take_back(place.expect("an index in it"));
                        }
                    }
                    _ => {
                        if let Some(place) = told.pop() {
                            prop_assert!(matches!(line.take_back(place).0, Answer::In(1)));
                        }
                    }
                }
                let waiting: usize = model.iter().map(VecDeque::len).sum();
                prop_assert_eq!(line.waiting() as usize, waiting);
                prop_assert_eq!(line.first_rank(), model.iter().position(|list| !list.is_empty()));
                prop_assert_eq!(line.last_rank(), model.iter().rposition(|list| !list.is_empty()));
            }
        }
    }

    #[test]
    fn a_place_is_used_again() {
        let mut line = Line::new();
        for _ in 0..1000 {
            let (first, second) = (line.push(1), line.push(3));
            line.answer(second, Answer::In(1));
            line.take_back(first);
            line.take_back(second);
        }
        assert_eq!((line.places(), line.waiting()), (2, 0));
    }
}
