//! Calls that wait for their answer: a slab whose index stands in the call's id.
//!
//! A slot is taken while anyone needs it: the caller until it has its result or is dropped, the
//! wire until the server's answer came. So a late answer can't meet a newer call, and the number of
//! calls open on the wire is the same on both ends.

use std::mem;
use std::task::{Poll, Waker};

use bytes::BytesMut;
use tokio::time::Instant;

/// An id is a sequence number, and the slot in the low bits.
const SLOT_BITS: u32 = 20;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// The slot of one-way calls, which wait for nothing.
const NO_SLOT: u64 = SLOT_MASK;

/// `T` is what a call ends with.
#[derive(Debug)]
pub(super) struct Pending<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    sequence: u64,
    unanswered: usize,
    earliest: Option<Instant>,
}

#[derive(Debug)]
struct Slot<T> {
    id: u64,
    /// Where the request begins in the stream of bytes sent.
    start: u64,
    deadline: Option<Instant>,
    /// The server has yet to answer.
    on_wire: bool,
    owner: Owner<T>,
    /// The answer comes in pieces, for which the server took credit: those there are.
    pieces: Option<Box<BytesMut>>,
}

#[derive(Debug)]
enum Owner<T> {
    Waiting(Waker),
    Done(T),
    Gone,
}

/// What became of an answer.
#[derive(Debug)]
pub(super) enum Answered {
    /// Its caller has it; wake them.
    Delivered(Waker),
    /// Its caller is gone.
    Late,
    /// There is no such call.
    Unknown,
}

/// What a caller that went away leaves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Abandoned {
    /// The server has yet to answer, and should be told.
    pub(super) on_wire: bool,
    /// Bytes of its answer that were there, for which the server wants its credit back.
    pub(super) dropped_bytes: usize,
}

/// What became of a piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Kept; the answer is this long so far.
    Kept(usize),
    /// Nobody waits for it.
    Unwanted,
}

impl<T> Pending<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), sequence: 0, unanswered: 0, earliest: None }
    }

    /// A new call, of which `waker` awaits the end. Ids increase in the order of these calls, and so
    /// must their frames.
    pub(super) fn open(&mut self, deadline: Option<Instant>, waker: Waker) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::empty());
            // Bounded by the number of calls a connection may have, which is below 2^20.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let id = self.next_id(u64::from(index));
        // All else is as in an empty one.
        let slot = &mut self.slots[index as usize];
        slot.id = id;
        slot.deadline = deadline;
        slot.on_wire = true;
        slot.owner = Owner::Waiting(waker);
        self.unanswered += 1;
        if let Some(deadline) = deadline {
            self.earliest = Some(self.earliest.map_or(deadline, |first| first.min(deadline)));
        }
        id
    }

    /// An id for a call that is not answered.
    pub(super) fn oneway(&mut self) -> u64 {
        self.next_id(NO_SLOT)
    }

    fn next_id(&mut self, slot: u64) -> u64 {
        self.sequence += 1;
        (self.sequence << SLOT_BITS) | slot
    }

    /// The request's first byte is the stream's `start`th.
    pub(super) fn sent(&mut self, id: u64, start: u64) {
        if let Some(slot) = self.slot(id) {
            slot.start = start;
        }
    }

    /// The request could not be sent after all.
    pub(super) fn forget(&mut self, id: u64) {
        if let Some(slot) = self.slot(id) {
            slot.owner = Owner::Gone;
            self.off_wire(id);
        }
    }

    /// The call's end, once it is there; takes it.
    pub(super) fn poll(&mut self, id: u64, waker: &Waker) -> Poll<Option<T>> {
        let Some(slot) = self.slot(id) else { return Poll::Ready(None) };
        if let Owner::Waiting(known) = &mut slot.owner {
            known.clone_from(waker);
            return Poll::Pending;
        }
        match mem::replace(&mut slot.owner, Owner::Gone) {
            Owner::Done(end) => {
                self.release(id);
                Poll::Ready(Some(end))
            }
            _ => Poll::Ready(None),
        }
    }

    /// The caller goes away.
    pub(super) fn abandon(&mut self, id: u64) -> Abandoned {
        let Some(slot) = self.slot(id) else { return Abandoned::default() };
        slot.owner = Owner::Gone;
        let dropped_bytes = slot.pieces.as_mut().map_or(0, |pieces| mem::take(&mut **pieces).len());
        let abandoned = Abandoned { on_wire: slot.on_wire, dropped_bytes };
        self.release(id);
        abandoned
    }

    /// A piece of a big answer.
    pub(super) fn piece(&mut self, id: u64, body: &[u8]) -> Piece {
        match self.slot(id) {
            Some(slot) if slot.on_wire => {
                let pieces = slot.pieces.get_or_insert_default();
                if !matches!(slot.owner, Owner::Waiting(_)) {
                    return Piece::Unwanted;
                }
                pieces.extend_from_slice(body);
                Piece::Kept(pieces.len())
            }
            _ => Piece::Unwanted,
        }
    }

    /// The pieces that came before a big answer's last one; `None` if it is not big.
    pub(super) fn take_pieces(&mut self, id: u64) -> Option<BytesMut> {
        self.slot(id)?.pieces.as_mut().map(|pieces| mem::take(&mut **pieces))
    }

    /// The server's answer, which is its last word on this call.
    pub(super) fn answer(&mut self, id: u64, end: T) -> Answered {
        let Some(slot) = self.slot(id).filter(|slot| slot.on_wire) else {
            return Answered::Unknown;
        };
        slot.on_wire = false;
        let answered = slot.settle(end);
        self.unanswered -= 1;
        if !matches!(answered, Answered::Delivered(_)) {
            self.release(id);
        }
        answered
    }

    /// Ends the calls whose time is over; they are still open on the wire.
    pub(super) fn expire(&mut self, now: Instant, end: impl Fn() -> T) -> Vec<(u64, Waker)> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let waits = |slot: &Slot<T>| matches!(slot.owner, Owner::Waiting(_));
        let over: Vec<u64> = self
            .slots
            .iter()
            .filter(|slot| waits(slot) && slot.deadline.is_some_and(|deadline| deadline <= now))
            .map(|slot| slot.id)
            .collect();
        let expired = over.into_iter().filter_map(|id| match self.slot(id)?.settle(end()) {
            Answered::Delivered(waker) => Some((id, waker)),
            Answered::Late | Answered::Unknown => None,
        });
        let expired = expired.collect();
        self.earliest =
            self.slots.iter().filter(|slot| waits(slot)).filter_map(|slot| slot.deadline).min();
        expired
    }

    /// Ends every call that `doomed` names by id and start, for good.
    pub(super) fn fail(
        &mut self,
        doomed: impl Fn(u64, u64) -> bool,
        end: impl Fn(u64) -> T,
    ) -> (usize, Vec<Waker>) {
        let ids: Vec<(u64, u64)> = self
            .slots
            .iter()
            .filter(|slot| slot.on_wire && doomed(slot.id, slot.start))
            .map(|slot| (slot.id, slot.start))
            .collect();
        let mut wakers = Vec::new();
        for &(id, start) in &ids {
            if let Answered::Delivered(waker) = self.answer(id, end(start)) {
                wakers.push(waker);
            }
        }
        (ids.len(), wakers)
    }

    /// Calls the server has yet to answer.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// No deadline passes before this.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// Slots somebody needs: none when nothing is left behind.
    #[cfg(test)]
    fn taken(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn slot(&mut self, id: u64) -> Option<&mut Slot<T>> {
        let index = usize::try_from(id & SLOT_MASK).ok()?;
        self.slots.get_mut(index).filter(|slot| slot.id == id)
    }

    fn off_wire(&mut self, id: u64) {
        if let Some(slot) = self.slot(id) {
            if mem::replace(&mut slot.on_wire, false) {
                self.unanswered -= 1;
            }
            self.release(id);
        }
    }

    /// Frees the slot if nobody needs it.
    fn release(&mut self, id: u64) {
        let Some(slot) = self.slot(id) else { return };
        if !slot.on_wire && matches!(slot.owner, Owner::Gone) {
            slot.id = 0;
            slot.start = u64::MAX;
            slot.deadline = None;
            slot.pieces = None;
            // The mask keeps it below 2^20.
            self.free.push((id & SLOT_MASK) as u32);
        }
    }
}

impl<T> Slot<T> {
    /// Id 0 is no call's: sequences start at 1.
    fn empty() -> Self {
        Self {
            id: 0,
            start: u64::MAX,
            deadline: None,
            on_wire: false,
            owner: Owner::Gone,
            pieces: None,
        }
    }

    /// Ends the call for its caller; the wire may still hold the slot.
    fn settle(&mut self, end: T) -> Answered {
        if !matches!(self.owner, Owner::Waiting(_)) {
            return Answered::Late;
        }
        self.deadline = None;
        match mem::replace(&mut self.owner, Owner::Done(end)) {
            Owner::Waiting(waker) => Answered::Delivered(waker),
            _ => Answered::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn poll(pending: &mut Pending<u32>, id: u64) -> Poll<Option<u32>> {
        pending.poll(id, Waker::noop())
    }

    fn open(pending: &mut Pending<u32>, deadline: Option<Instant>) -> u64 {
        pending.open(deadline, Waker::noop().clone())
    }

    #[test]
    fn an_answer_reaches_its_call_once() {
        let mut pending = Pending::new();
        let id = open(&mut pending, None);
        assert!(poll(&mut pending, id).is_pending());
        assert!(matches!(pending.answer(id, 7), Answered::Delivered(_)));
        assert!(matches!(pending.answer(id, 8), Answered::Unknown));
        assert_eq!(poll(&mut pending, id), Poll::Ready(Some(7)));
        assert_eq!(poll(&mut pending, id), Poll::Ready(None));
        assert_eq!(pending.taken(), 0);
    }

    #[test]
    fn a_late_answer_never_meets_a_newer_call() {
        let mut pending = Pending::new();
        let old = open(&mut pending, None);
        assert!(pending.abandon(old).on_wire, "the server is to be told");
        let new = open(&mut pending, None);
        assert_ne!(old & SLOT_MASK, new & SLOT_MASK, "the slot waits for the answer");
        assert!(matches!(pending.answer(old, 1), Answered::Late));
        let next = open(&mut pending, None);
        assert_eq!(old & SLOT_MASK, next & SLOT_MASK, "and is free after it");
        assert!(matches!(pending.answer(old, 1), Answered::Unknown));
        assert!(poll(&mut pending, next).is_pending());
        assert!(next > new && new > old, "ids increase whatever the slot");
    }

    #[test]
    fn an_expired_call_ends_for_its_caller_and_not_on_the_wire() {
        let now = Instant::now();
        let mut pending = Pending::new();
        let soon = open(&mut pending, Some(now + Duration::from_secs(1)));
        let later = open(&mut pending, Some(now + Duration::from_secs(2)));
        assert!(pending.expire(now, || 0).is_empty());
        let expired = pending.expire(now + Duration::from_secs(1), || 0);
        assert_eq!(expired.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [soon]);
        assert_eq!(pending.earliest(), Some(now + Duration::from_secs(2)));
        assert_eq!(poll(&mut pending, soon), Poll::Ready(Some(0)));
        assert_eq!((pending.unanswered(), pending.taken()), (2, 2));
        assert!(matches!(pending.answer(soon, 1), Answered::Late));
        assert!(pending.abandon(later).on_wire);
        assert!(matches!(pending.answer(later, 1), Answered::Late));
        assert_eq!((pending.unanswered(), pending.taken()), (0, 0));
    }

    #[test]
    fn pieces_of_an_answer_that_nobody_wants_are_accounted_for() {
        let mut pending = Pending::<u32>::new();
        let id = open(&mut pending, None);
        assert!(pending.take_pieces(id).is_none(), "not big so far");
        assert_eq!(pending.piece(id, b"abc"), Piece::Kept(3));
        assert_eq!(pending.abandon(id), Abandoned { on_wire: true, dropped_bytes: 3 });
        assert_eq!(pending.piece(id, b"def"), Piece::Unwanted);
        // Its last piece is one of a big answer, though nothing of that was kept.
        assert_eq!(pending.take_pieces(id), Some(BytesMut::new()));
        assert!(matches!(pending.answer(id, 1), Answered::Late));
        assert_eq!(pending.taken(), 0);
    }

    #[test]
    fn oneway_calls_take_no_slot() {
        let mut pending = Pending::<u32>::new();
        let first = pending.oneway();
        let second = open(&mut pending, None);
        assert!(second > first);
        assert!(matches!(pending.answer(first, 1), Answered::Unknown));
        assert_eq!(pending.unanswered(), 1);
    }

    proptest! {
        /// Whatever callers and the server do, every slot is free when all is done.
        #[test]
        fn the_ledger_is_zero_at_the_end(steps in prop::collection::vec((0u8..5, 0usize..8), 0..200)) {
            let now = Instant::now();
            let mut pending = Pending::new();
            let mut ids = Vec::new();
            for (step, which) in steps {
                let id = ids.get(which % ids.len().max(1)).copied();
                match (step, id) {
                    (0, _) => ids.push(open(&mut pending, Some(now + Duration::from_secs(which as u64)))),
                    (1, Some(id)) => { pending.answer(id, 0); }
                    (2, Some(id)) => { pending.abandon(id); }
                    (3, Some(id)) => { let _ = poll(&mut pending, id); }
                    (4, _) => { pending.expire(now + Duration::from_secs(which as u64), || 9); }
                    _ => {}
                }
                let on_wire = pending.slots.iter().filter(|slot| slot.on_wire).count();
                prop_assert_eq!(on_wire, pending.unanswered());
            }
            for id in ids {
                pending.abandon(id);
                pending.answer(id, 0);
            }
            prop_assert_eq!((pending.unanswered(), pending.taken()), (0, 0));
        }
    }
}
