use super::*;
use proptest::prelude::*;

fn refused(head: &[u8]) -> Refusal {
    read(head).unwrap_err()
}

fn rewritten_to(head: &[u8]) -> String {
    String::from_utf8(read(head).unwrap().bytes.into_owned()).unwrap()
}

#[test]
fn a_usual_head_is_not_touched() {
    let head = b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive, Upgrade\r\n\r\n";
    let read = read(head).unwrap();
    assert_eq!(read, TakenHead { bytes: Cow::Borrowed(head), body: BodyEnd::After(5), asks_to_upgrade: true });
    assert!(matches!(read.bytes, Cow::Borrowed(_)));
}

#[test]
fn continued_lines_are_joined() {
    let head = b"GET / HTTP/1.1\r\nA: 1,\r\n  2,\r\n\t3\r\nHost: a\r\n\r\n";
    assert_eq!(rewritten_to(head), "GET / HTTP/1.1\r\nA: 1, 2, 3\r\nHost: a\r\n\r\n");
    // What is hidden in one counts as what it then is.
    let folded = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n";
    assert_eq!(read(folded).unwrap().body, BodyEnd::Chunks);
    assert_eq!(refused(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n 2\r\n\r\n"), Refusal::Length);
    assert_eq!(refused(b"GET / HTTP/1.1\r\n A: 1\r\n\r\n"), Refusal::Continued);
}

#[test]
fn every_refusal_has_its_reason() {
    let many = |count: usize| {
        let headers: String = (0..count).map(|number| format!("x-{number}: 1\r\n")).collect();
        format!("GET / HTTP/1.1\r\n{headers}\r\n").into_bytes()
    };
    let long = |target: usize, value: usize| {
        format!("GET /{} HTTP/1.1\r\na: {}\r\n\r\n", "t".repeat(target), "v".repeat(value)).into_bytes()
    };
    assert!(read(&many(MOST_HEADERS)).is_ok() && read(&long(60_000, 60_000)).is_ok());
    for (head, refusal) in [
        (many(MOST_HEADERS + 1), Refusal::TooManyHeaders),
        (long(66_000, 1), Refusal::TargetTooLong),
        (long(1, LONGEST_HEAD), Refusal::HeadTooLong),
        (b"\x16\x03\x01\r\n\r\n".to_vec(), Refusal::Line),
        (b"GET / HTTP/3.0\r\n\r\n".to_vec(), Refusal::Line),
        (b"GET /a b HTTP/1.1\r\n\r\n".to_vec(), Refusal::Line),
        (b"GET /a\x01b HTTP/1.1\r\n\r\n".to_vec(), Refusal::Target),
        (b"GET a/b HTTP/1.1\r\n\r\n".to_vec(), Refusal::Target),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n".to_vec(), Refusal::HeaderName),
        (b"GET / HTTP/1.1\r\na : b\r\n\r\n".to_vec(), Refusal::HeaderName),
        (b"GET / HTTP/1.1\r\na: \x00\r\n\r\n".to_vec(), Refusal::HeaderValue),
        (b"GET / HTTP/1.1\r\na: b\rc\r\n\r\n".to_vec(), Refusal::HeaderValue),
        (b"POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n".to_vec(), Refusal::Length),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_vec(), Refusal::Length),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n".to_vec(), Refusal::TransferEncoding),
        (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), Refusal::TransferEncoding),
    ] {
        let shown = String::from_utf8_lossy(&head[..head.len().min(60)]).into_owned();
        assert_eq!(refused(&head), refusal, "{shown}");
    }
}

#[test]
fn the_end_is_found_wherever_the_pieces_end() {
    for head in ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n", "GET / HTTP/1.1\r\n\r\n"] {
        let all = format!("{head}body\r\n\r\n");
        for known in 0..head.len() {
            assert_eq!(end(&all.as_bytes()[..known], 0), None, "{known}");
            assert_eq!(end(all.as_bytes(), known), Some(head.len()), "{known}");
        }
    }
}

proptest! {
    /// Whatever a client sends: what is taken is one head, and is taken again as it is.
    #[test]
    fn what_is_taken_is_settled(head in "(GET|POST) /[a-z<é]{0,3} HTTP/1\\.1\r\n([aT][a-b]{0,2}: ?[ -~]{0,4}(\r\n [x]{0,2})?\r\n){0,4}\r\n") {
        if let Ok(taken) = read(head.as_bytes()) {
            prop_assert_eq!(end(&taken.bytes, 0), Some(taken.bytes.len()));
            let again = read(&taken.bytes).unwrap();
            prop_assert_eq!((again.body, again.asks_to_upgrade), (taken.body, taken.asks_to_upgrade));
        }
    }
}
