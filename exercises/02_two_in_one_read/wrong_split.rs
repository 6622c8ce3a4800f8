//! Splits what came at the empty lines, as if each part were a request. The last part is one that has
//! not ended:
//! one request and a half in one read: "HTTP/1.1 400 Bad Request" came before /2 was complete

use exercises::http;

#[derive(Default)]
pub struct Server {
    input: Vec<u8>,
}

impl Server {
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.input.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(&self.input).into_owned();
        if !text.contains("\r\n\r\n") {
            return Vec::new();
        }
        self.input.clear();
        let heads = text.split("\r\n\r\n").filter(|head| !head.is_empty());
        heads
            .flat_map(|head| http::answer(format!("{head}\r\n\r\n").as_bytes()))
            .collect()
    }
}
