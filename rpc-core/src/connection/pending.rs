//! Calls that wait for their answer: a slab whose index stands in the call's id.
//!
//! A slot is taken while anyone needs it: the caller until it has its result or is dropped, the
//! wire until the server's answer came. So a late answer can't meet a newer call, and the number of
//! calls open on the wire is the same on both ends.

use std::mem;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

/// An id is a sequence number, and the slot in the low bits.
const SLOT_BITS: u32 = 20;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// The slot of one-way calls, which wait for nothing.
const NO_SLOT: u64 = SLOT_MASK;

/// To look through the slots takes a fraction of this for each of them; so long nobody does so again.
const LOOK_EACH: Duration = Duration::from_nanos(500);

/// `T` is what a call ends with.
#[derive(Debug)]
pub(super) struct Pending<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    sequence: u64,
    unanswered: usize,
    /// Nobody is to be found before this.
    earliest: Option<Instant>,
    /// Until then nobody is nudged, since the calls were just looked through.
    rest: Option<Instant>,
}

#[derive(Debug)]
struct Slot<T> {
    id: u64,
    /// Where the request begins in the stream of bytes sent.
    start: u64,
    deadline: Option<Instant>,
    /// Its caller wants to be polled then, and goes on waiting.
    nudge: Option<Instant>,
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

/// Whom a look through the calls found.
#[derive(Debug)]
pub(super) struct Found {
    /// Their time is over; they are still open on the wire.
    pub(super) expired: Vec<(u64, Waker)>,
    /// They wanted to be polled, and go on waiting.
    pub(super) nudged: Vec<Waker>,
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
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            unanswered: 0,
            earliest: None,
            rest: None,
        }
    }

    /// A new call, of which `waker` awaits the end, and is woken at `nudge` if that has not come. Ids increase
    /// in the order of these calls, and so must their frames.
    pub(super) fn open(
        &mut self,
        deadline: Option<Instant>,
        nudge: Option<Instant>,
        waker: Waker,
    ) -> u64 {
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
        slot.nudge = nudge;
        slot.on_wire = true;
        slot.owner = Owner::Waiting(waker);
        self.unanswered += 1;
        self.earliest = first_of([self.earliest, deadline, self.after_a_rest(nudge)]);
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

    /// Ends the calls whose time is over, and finds those that want to be polled.
    pub(super) fn look(&mut self, now: Instant, end: impl Fn() -> T) -> Found {
        let mut found = Found { expired: Vec::new(), nudged: Vec::new() };
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return found;
        }
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.rest = now.checked_add(LOOK_EACH.saturating_mul(slots));
        self.earliest = None;
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let Owner::Waiting(waker) = &slot.owner else { continue };
            if slot.deadline.is_some_and(|deadline| deadline <= now) {
                if let Answered::Delivered(waker) = slot.settle(end()) {
                    found.expired.push((slot.id, waker));
                }
                continue;
            }
            if slot.nudge.is_some_and(|nudge| nudge <= now) {
                found.nudged.push(waker.clone());
                slot.nudge = None;
            }
            let (deadline, nudge) = (slot.deadline, slot.nudge);
            self.earliest = first_of([self.earliest, deadline, self.after_a_rest(nudge)]);
        }
        found
    }

    /// When a nudge is due, as it need not be looked for all the time: it may be late.
    fn after_a_rest(&self, nudge: Option<Instant>) -> Option<Instant> {
        nudge.map(|nudge| self.rest.map_or(nudge, |rest| nudge.max(rest)))
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

    /// No deadline passes before this, and nobody is to be nudged.
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
            nudge: None,
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

fn first_of(times: [Option<Instant>; 3]) -> Option<Instant> {
    times.into_iter().flatten().min()
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
        pending.open(deadline, None, Waker::noop().clone())
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
    fn who_wants_to_be_polled_is_found_once_and_goes_on_waiting() {
        let mut pending = Pending::new();
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let id = pending.open(Some(at(9)), Some(at(2)), Waker::noop().clone());
        assert_eq!(pending.earliest(), Some(at(2)));
        assert!(pending.look(at(1), || 0).nudged.is_empty());
        assert_eq!(pending.look(at(2), || 0).nudged.len(), 1);
        assert!(poll(&mut pending, id).is_pending());
        assert_eq!(pending.earliest(), Some(at(9)));
        assert!(pending.look(at(8), || 0).nudged.is_empty());
        assert_eq!(pending.look(at(9), || 7).expired.len(), 1);
        assert_eq!(poll(&mut pending, id), Poll::Ready(Some(7)));
    }

    #[test]
    fn who_was_answered_is_not_polled_for_nothing() {
        let mut pending = Pending::new();
        let now = Instant::now();
        let id = pending.open(None, Some(now), Waker::noop().clone());
        assert!(matches!(pending.answer(id, 7), Answered::Delivered(_)));
        assert!(pending.look(now, || 0).nudged.is_empty());
        assert_eq!(pending.earliest(), None);
    }

    #[test]
    fn however_many_want_to_be_polled_the_calls_are_not_looked_through_all_the_time() {
        let mut pending = Pending::new();
        let now = Instant::now();
        let micro = Duration::from_micros(1);
        for call in 0..10_000 {
            pending.open(None, Some(now + micro * call), Waker::noop().clone());
        }
        let looks = (0..20_000).filter(|&micros| {
            let now = now + micro * micros;
            let is_time = pending.earliest().is_some_and(|earliest| earliest <= now);
            pending.look(now, || 0);
            is_time
        });
        assert_eq!(looks.count(), 3, "at 0, 5 and 10 ms");
        assert_eq!(pending.earliest(), None, "all were found, the last of them late");
    }

    #[test]
    fn an_expired_call_ends_for_its_caller_and_not_on_the_wire() {
        let now = Instant::now();
        let mut pending = Pending::new();
        let soon = open(&mut pending, Some(now + Duration::from_secs(1)));
        let later = open(&mut pending, Some(now + Duration::from_secs(2)));
        assert!(pending.look(now, || 0).expired.is_empty());
        let expired = pending.look(now + Duration::from_secs(1), || 0).expired;
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
                    (4, _) => { pending.look(now + Duration::from_secs(which as u64), || 9); }
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
