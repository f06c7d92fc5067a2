//! The `Date` of answers that have none (RFC 9110, 6.6.1), made once a second.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::forward::clock::{Clock, Millis};

/// The length of a date (RFC 9110, 5.6.7).
const LENGTH: usize = 29;

/// The date of a worker's answers.
#[derive(Debug)]
pub(crate) struct Date {
    clock: Rc<Clock>,
    text: Cell<[u8; LENGTH]>,
    /// When the second is over.
    until: Cell<Millis>,
}

impl Date {
    /// The date by this clock.
    pub(crate) fn new(clock: &Rc<Clock>) -> Self {
        Self { clock: Rc::clone(clock), text: Cell::new([b' '; LENGTH]), until: Cell::new(0) }
    }

    /// Writes the field. It may be late by a tick of the clock.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.clock.now() >= self.until.get() {
            self.renew();
        }
        out.extend_from_slice(b"date: ");
        out.extend_from_slice(&self.text.get());
        out.extend_from_slice(b"\r\n");
    }

    #[cold]
    fn renew(&self) {
        let now = SystemTime::now();
        if let Ok(text) = httpdate::fmt_http_date(now).as_bytes().try_into() {
            self.text.set(text);
        }
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
        self.until.set(self.clock.now() + u64::from(1000_u32.saturating_sub(second)));
    }
}
