//! Random bytes and time-ordered ids: the only source of either.

use std::sync::atomic::{AtomicU64, Ordering};

/// Fills the buffer from the system's generator.
///
/// Without randomness no id, nonce or secret can be made safely, so a process that has none ends.
pub fn fill(buffer: &mut [u8]) {
    if aws_lc_rs::rand::fill(buffer).is_err() {
        // INVARIANT: nothing goes on with a predictable buffer.
        std::process::abort();
    }
}

/// So many random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut buffer = [0; N];
    fill(&mut buffer);
    buffer
}

/// A version 7 UUID (RFC 9562 §5.7) for this instant, greater than every one made before in this process.
///
/// The twelve bits after the millisecond carry the fraction of the millisecond (§6.2, method 3)
/// and are counted up when two ids meet, so ids sort by their making. A clock that is put back by
/// more than ten seconds starts a new order, rather than to make ids that lie about their time.
#[must_use]
pub fn uuid_v7(now_micros: i64) -> [u8; 16] {
    let micros = u64::try_from(now_micros).unwrap_or(0);
    let ticks = ((micros / 1000) << 12) | ((micros % 1000) * 4096 / 1000);
    let ordered = advance(&LAST_TICKS, ticks);

    let mut id = bytes::<16>();
    let [.., t0, t1, t2, t3, t4, t5] = (ordered >> 12).to_be_bytes();
    let [.., r0, r1] = (ordered & 0xfff).to_be_bytes();
    let [i0, i1, i2, i3, i4, i5, i6, i7, i8, ..] = &mut id;
    (*i0, *i1, *i2, *i3, *i4, *i5) = (t0, t1, t2, t3, t4, t5);
    (*i6, *i7) = (0x70 | r0, r1);
    *i8 = 0x80 | (*i8 & 0x3f);
    id
}

/// The next value of the counter: at least `ticks`, and more than the last, unless that is far ahead.
fn advance(last: &AtomicU64, ticks: u64) -> u64 {
    let next = |previous: u64| {
        if previous > ticks.saturating_add(CLOCK_PUT_BACK_TICKS) {
            ticks
        } else {
            ticks.max(previous.saturating_add(1))
        }
    };
    let mut previous = last.load(Ordering::Relaxed);
    loop {
        let value = next(previous);
        match last.compare_exchange_weak(previous, value, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return value,
            Err(current) => previous = current,
        }
    }
}

/// Ten seconds, in 4096ths of a millisecond.
const CLOCK_PUT_BACK_TICKS: u64 = 10_000 << 12;

static LAST_TICKS: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_their_making_and_say_their_version() {
        let now = 1_795_338_000_123_456;
        let ids: Vec<_> = (0..5000).map(|_| uuid_v7(now)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id[6] >> 4 == 7 && id[8] >> 6 == 2));
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&ids[0][..6]);
        assert_eq!(u64::from_be_bytes(millis), 1_795_338_000_123);
    }

    #[test]
    fn a_clock_put_back_far_starts_a_new_order() {
        let last = AtomicU64::new(0);
        let late = 1_000_000 << 12;
        assert_eq!(advance(&last, late), late);
        assert_eq!(advance(&last, late - 5), late + 1);
        assert_eq!(advance(&last, 7), 7);
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<32>(), bytes::<32>());
    }
}
