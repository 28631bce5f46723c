//! A delivery of each forge: headers as lines, an empty line, the body. The first byte chooses the forge.
use super::request::parts;
use launchway::forge;
use launchway::model::{EventKind, ForgeKind};

pub fn run(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let kind = ForgeKind::ALL[usize::from(first) % ForgeKind::ALL.len()];
    let (headers, body) = parts(rest);
    let id = forge::delivery_id(kind, &headers, body);
    assert_eq!(id, forge::delivery_id(kind, &headers, body));
    assert!(!id.to_string().contains(|c: char| c.is_control() || c == '/'));
    let Ok(events) = forge::read(kind, &headers, body) else { return };
    assert!(!events.is_empty());
    for event in events {
        holds(event.kind, body.len());
    }
}

fn holds(kind: EventKind, length: usize) {
    match kind {
        EventKind::Push(change) | EventKind::Tag(change) => {
            assert!(change.reference.branch().is_some() || change.reference.tag().is_some());
            let message = change.message.map_or(0, |message| message.len());
            assert!(message <= length * 3 && change.reference.as_str().len() <= 1024);
        }
        EventKind::Delete { reference, .. } => assert!(reference.as_str().starts_with("refs/")),
        EventKind::Ignored { reason } => assert!(!reason.is_empty()),
        EventKind::Ping => {}
    }
}
