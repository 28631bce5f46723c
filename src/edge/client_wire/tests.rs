use super::*;
use crate::edge::requests::PREFACE;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What hyper gets of these pieces, one after the other.
fn given(pieces: &[&[u8]], aside: &Aside) -> Vec<u8> {
    let (mut requests, mut all) = (Requests::new(), Vec::new());
    for piece in pieces {
        requests.came.extend_from_slice(piece);
        loop {
            requests.look(aside);
            if requests.given.is_empty() {
                break;
            }
            all.append(&mut requests.given);
        }
    }
    all
}

#[test]
fn a_head_behind_a_body_is_looked_at_and_a_body_is_not() {
    let sent = b"POST /<a> HTTP/1.1\r\nContent-Length: 16\r\n\r\nGET /<b> HTTP/1.1GET /<c> HTTP/1.1\r\n\r\n";
    let text = String::from_utf8(given(&[sent], &Aside::default())).unwrap();
    assert!(text.contains("GET /<b> HTTP/1."), "{text}");
    assert!(!text.contains("/<a>") && !text.contains("/<c>"), "{text}");
}

#[test]
fn what_follows_a_change_of_the_protocol_is_nobodys_to_look_at() {
    let ask = b"GET /ws HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let rest = b"GET /<x> HTTP/1.1\r\n\r\n";
    for (changes, passes) in [(true, true), (false, false)] {
        let aside = Aside::default();
        let mut requests = Requests::new();
        requests.came = [&ask[..], rest].concat();
        requests.look(&aside);
        requests.given.clear();
        requests.look(&aside);
        assert!(requests.given.is_empty(), "not before it is answered");
        aside.answered(changes);
        requests.look(&aside);
        assert_eq!(requests.given == rest, passes);
    }
}

#[tokio::test]
async fn a_client_of_http2_is_left_alone() {
    let (mut client, edge) = tokio::io::duplex(1024);
    let mut wire = ClientWire::new(edge, Arc::default());
    let sent = [PREFACE, b"\x00\x00<>\r\n\r\n"].concat();
    client.write_all(&sent[..9]).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        wire.read_to_end(&mut all).await.unwrap();
        all
    });
    client.write_all(&sent[9..]).await.unwrap();
    drop(client);
    assert_eq!(reading.await.unwrap(), sent);
}

proptest! {
    /// However the pieces come, hyper gets the same.
    #[test]
    fn pieces_make_no_difference(cuts in proptest::collection::vec(0usize..400, 0..6), refused in any::<bool>()) {
        let last = if refused { "BAD\r\n\r\nGET / HTTP/1.1\r\n\r\n" } else { "GET /end HTTP/1.1\r\n\r\n" };
        let all = format!(
            "\r\nPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\r\n\r\nx\r\n0\r\nT: 1\r\n\r\n\
             GET /é HTTP/1.1\r\nA: 1\r\n 2\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\n\n{last}"
        );
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).chain([0, all.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &all.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(given(&pieces, &Aside::default()), given(&[all.as_bytes()], &Aside::default()));
    }
}
