//! HTTP/1 on the wire, kept as it came: what was read is there byte by byte, and the fields are only a view of it.

use std::io::{self, ErrorKind, Read, Write};

/// A request or an answer as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// From the start line to the empty line.
    pub head: Vec<u8>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The trailer section of a chunked body.
    pub trailers: Vec<u8>,
    /// Which connection of an origin it came on, counted from 0.
    pub connection: usize,
}

impl Message {
    /// The start line without its end.
    pub fn start_line(&self) -> String {
        String::from_utf8_lossy(self.head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned()
    }

    /// A request's method.
    pub fn method(&self) -> String {
        self.word(0)
    }

    /// A request's target as it was sent.
    pub fn target(&self) -> String {
        self.word(1)
    }

    /// An answer's status.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or_else(|_| panic!("no status in {:?}", self.start_line()))
    }

    fn word(&self, position: usize) -> String {
        self.start_line().split(' ').nth(position).unwrap_or_default().to_owned()
    }

    /// All values of a field, in order.
    pub fn fields(&self, name: &str) -> Vec<String> {
        fields(&self.head, name)
    }

    /// A field that is there at most once.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut values = self.fields(name);
        assert!(values.len() <= 1, "{name} is there more than once: {values:?}");
        values.pop()
    }

    /// A field of the trailer section.
    pub fn trailer(&self, name: &str) -> Option<String> {
        fields(&self.trailers, name).pop()
    }

    /// The word that says why Sluicegate itself answered.
    pub fn reason(&self) -> Option<String> {
        self.field("x-sluicegate-reason")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

fn fields(head: &[u8], name: &str) -> Vec<String> {
    let head = String::from_utf8_lossy(head).into_owned();
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// A connection with what has been read of it but not been asked for yet.
#[derive(Debug)]
pub struct Wire<S> {
    /// The connection itself.
    pub stream: S,
    buffer: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    /// A connection of which nothing has been read.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Sends all of the bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Up to and including the next empty line; `None` where the connection ended before a first byte.
    pub fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(self.buffer.drain(..end + 4).collect()));
            }
            if self.fill()? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(cut_off("a head", &self.buffer));
            }
        }
    }

    /// Up to and including the next line end.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                return Ok(self.buffer.drain(..end + 2).collect());
            }
            if self.fill()? == 0 {
                return Err(cut_off("a line", &self.buffer));
            }
        }
    }

    /// Exactly this many bytes.
    pub fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(cut_off("a body", &self.buffer));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// The next chunk's data; empty for the last one, of which the trailer section is left to be read.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = String::from_utf8_lossy(&self.line()?).into_owned();
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("no chunk size: {line:?}")))?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let data = self.exactly(size)?;
        let end = self.exactly(2)?;
        if end == b"\r\n" {
            Ok(data)
        } else {
            Err(io::Error::new(ErrorKind::InvalidData, format!("no end of a chunk: {end:?}")))
        }
    }

    /// Everything until the end of the connection. A reset counts as an end.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// What has arrived and nobody has asked for yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    /// The next request, or `None` at the end of the connection.
    pub fn request(&mut self) -> io::Result<Option<Message>> {
        let Some(head) = self.head()? else { return Ok(None) };
        let mut message = Message { head, ..Message::default() };
        self.framed(&mut message)?;
        Ok(Some(message))
    }

    /// The next answer, informational ones included, to a request with this method.
    pub fn answer(&mut self, method: &str) -> io::Result<Message> {
        let head = self.head()?.ok_or_else(|| cut_off("an answer", &[]))?;
        let mut message = Message { head, ..Message::default() };
        let status = message.status();
        let bodiless =
            method == "HEAD" || status < 200 || matches!(status, 204 | 304) || method == "CONNECT" && status < 300;
        if !bodiless && !self.framed(&mut message)? {
            message.body = self.rest()?;
        }
        Ok(message)
    }

    /// Reads a body by its framing; false where the head declares none.
    fn framed(&mut self, message: &mut Message) -> io::Result<bool> {
        if message.fields("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let data = self.chunk()?;
                if data.is_empty() {
                    break;
                }
                message.body.extend(data);
            }
            loop {
                let line = self.line()?;
                if line == b"\r\n" {
                    return Ok(true);
                }
                message.trailers.extend(line);
            }
        }
        let Some(length) = message.fields("content-length").pop() else { return Ok(false) };
        let length = length
            .parse()
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("content-length: {length:?}")))?;
        message.body = self.exactly(length)?;
        Ok(true)
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let length = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..length]);
        Ok(length)
    }
}

fn cut_off(what: &str, read: &[u8]) -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        format!("the connection ended before {what} was complete: {:?}", String::from_utf8_lossy(read)),
    )
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
