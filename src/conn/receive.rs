//! The way in: from the bytes of the inbox to a request and its content.
//!
//! *Floor 1.* One function per phase that waits for the client: each makes one change, or says what
//! must happen outside first.
//!
//! *References:* RFC 9112 §2.2, §6.3, §8.

use super::buffers::{BodyReader, NextContent};
use super::{Cause, CloseReason, Connection, Finished, Next, Phase, proxy_header};
use crate::http::request;
use crate::http::scan::HeadScan;
use crate::http::{Head, HeadLimits, ProtocolError, Request, Tick};

impl Connection {
    /// Before the first request: who is it for?
    pub(super) fn await_proxy_header(&mut self, now: &Tick) -> Option<Next> {
        let unread = self.buffers.as_ref().map_or(&[][..], |b| b.inbox.unread());
        let reason = match proxy_header::parse(unread) {
            Ok(Some(header)) => {
                if let Some(buffers) = &mut self.buffers {
                    buffers.inbox.take(header.len);
                }
                self.phase.change(Cause::ProxyHeader, Phase::AwaitHead);
                self.since = now.instant;
                return Some(Next::Client(header.client));
            }
            Ok(None) if self.eof && unread.is_empty() => CloseReason::ClientClosed,
            Ok(None) if self.stopping => CloseReason::Shutdown,
            Ok(None) if !self.eof => return Some(Next::NeedBytes),
            Ok(None) | Err(proxy_header::Malformed) => CloseReason::BadProxyHeader,
        };
        self.over(reason);
        None
    }

    pub(super) fn await_head(&mut self, now: &Tick) -> Option<Next> {
        let Some(buffers) = self.buffers.as_deref_mut().filter(|b| !b.inbox.is_empty()) else {
            return self.await_first_byte();
        };
        if buffers.outbox.pending_bytes() > self.limits.outbox_bytes_max {
            return Some(Next::Paused);
        }
        let limits = HeadLimits {
            bytes_max: self.limits.head_bytes_max,
            fields_max: self.limits.fields_max,
            target_bytes_max: self.limits.target_bytes_max,
        };
        let unread = buffers.inbox.unread();
        if buffers.scan.is_fresh() {
            let last = &mut buffers.last_section;
            if let Some((head, len)) = request::parse_at_once(unread, &limits, last) {
                buffers.inbox.take(len);
                return self.on_head(head, len, now);
            }
        }
        let had_begun = buffers.scan.has_begun();
        let found = buffers.scan.find(unread, &limits);
        if !had_begun && buffers.scan.has_begun() {
            // Its time begins with its first byte. Empty lines before it are no head: they neither
            // take of its time nor add to that between two requests.
            self.since = now.instant;
        }
        match found {
            Ok(Some((start, end))) => {
                buffers.inbox.take(end);
                buffers.scan = HeadScan::default();
                let len = end - start;
                let raw = buffers.inbox.taken_last(len);
                match request::parse(raw, &limits, &mut buffers.last_section) {
                    Ok(head) => return self.on_head(head, len, now),
                    Err(error) => {
                        buffers.refusable = len;
                        self.refuse(error, now);
                    }
                }
            }
            Err(error) => self.refuse(error, now),
            Ok(None) if self.eof && buffers.scan.has_begun() => {
                self.refuse_truncated(ProtocolError::RequestLine, now);
            }
            // Empty lines are not the begin of anything (RFC 9112 §2.2).
            Ok(None) if (self.eof || self.stopping) && !buffers.scan.has_begun() => {
                buffers.inbox.clear();
                buffers.scan = HeadScan::default();
            }
            Ok(None) => return Some(Next::NeedBytes),
        }
        None
    }

    /// Between two requests.
    fn await_first_byte(&mut self) -> Option<Next> {
        let ends = self.stopping && self.served;
        if !self.eof && !ends {
            return Some(Next::NeedBytes);
        }
        if self.buffers.as_ref().is_some_and(|b| !b.outbox.is_empty()) {
            return Some(Next::Paused);
        }
        self.over(if self.eof {
            CloseReason::ClientClosed
        } else {
            CloseReason::Shutdown
        });
        None
    }

    /// A valid head of `len` bytes has just been taken from the inbox.
    fn on_head(&mut self, head: Head, len: usize, now: &Tick) -> Option<Next> {
        let buffers = self.buffers.as_mut()?;
        buffers.refusable = len;
        let extra = self.limits.chunk_extra_bytes_max;
        let (body, expects_continue) = (head.section.body, head.section.expects_continue);
        buffers.body = BodyReader::new(body, extra, expects_continue);
        buffers.head = head;
        if self.limits.report_finished {
            let request = Request::new(buffers.inbox.taken_last(len), head);
            let line = match self.limits.report_lines {
                true => buffers.answers.loggable(&request),
                false => b"",
            };
            let mut finished = Finished::new(line, now);
            if self.limits.report_fields {
                finished.fields = Some(buffers.answers.loggable_fields(&request));
            }
            buffers.answers.current = Some(finished);
        }
        buffers.body.bytes_max = self.limits.body_bytes_max;
        let any_max = self
            .limits
            .body_bytes_max
            .max(self.limits.receive_bytes_max);
        if buffers.body.announced() > any_max {
            self.refuse(ProtocolError::ContentTooLong, now);
            return None;
        }
        buffers.refusable = 0;
        self.phase.change(Cause::Head, Phase::AwaitReply);
        Some(Next::Request { len })
    }

    pub(super) fn await_body(&mut self, now: &Tick) -> Option<Next> {
        if self.buffers.as_ref()?.body.blocked {
            return Some(Next::Paused);
        }
        match self.next_content(now)? {
            NextContent::NeedBytes => Some(Next::NeedBytes),
            NextContent::Data(len) => Some(Next::Body { len }),
            NextContent::End => {
                self.phase.change(Cause::BodyEnd, Phase::AwaitReply);
                Some(Next::BodyEnd)
            }
        }
    }

    /// Content that is dropped, so that the answer which is held may go.
    pub(super) fn draining(&mut self, now: &Tick) -> Option<Next> {
        match self.next_content(now)? {
            NextContent::NeedBytes => return Some(Next::NeedBytes),
            NextContent::Data(n) => {
                let buffers = self.buffers.as_mut()?;
                buffers.body.take(n);
                buffers.inbox.take(n);
                buffers.body.drained += n as u64;
                if buffers.body.drained > self.limits.drain_bytes_max {
                    self.answer_held(now);
                }
            }
            NextContent::End => self.answer_held(now),
        }
        None
    }

    /// What stands at the front of the inbox; `None` if it was refused.
    fn next_content(&mut self, now: &Tick) -> Option<NextContent> {
        let buffers = self.buffers.as_mut()?;
        let next = buffers.body.next(&mut buffers.inbox);
        let too_long = buffers.body.announced() > buffers.body.bytes_max;
        match next {
            Err(error) => self.refuse(error, now),
            Ok(_) if too_long => self.refuse(ProtocolError::ContentTooLong, now),
            Ok(NextContent::NeedBytes) if self.eof => {
                self.refuse_truncated(ProtocolError::LengthSyntax, now);
            }
            Ok(content) => return Some(content),
        }
        None
    }
}
