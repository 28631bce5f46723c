use super::*;
use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, AAAA};

/// A name service that knows these, and says no to all else.
async fn service(known: &'static [(&'static str, [u8; 4])]) -> SocketAddr {
    service_of_both(known, None).await
}

/// The same with one address of IPv6 that everybody has. Where there is none, whoever asks for one gets no answer.
async fn service_of_both(known: &'static [(&'static str, [u8; 4])], six: Option<Ipv6Addr>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut bytes).await {
            let question = Packet::parse(&bytes[..length]).unwrap();
            let asked = question.questions[0].clone();
            let mut answer = Packet::new_reply(question.id());
            let name = asked.qname.to_string();
            if let (Some((_, ip)), QTYPE::TYPE(TYPE::A)) = (known.iter().find(|(of, _)| *of == name), asked.qtype) {
                let data = RData::A(A { address: u32::from_be_bytes(*ip) });
                answer.answers.push(ResourceRecord::new(asked.qname.clone(), CLASS::IN, 600, data));
            } else if asked.qtype == QTYPE::TYPE(TYPE::AAAA) {
                let Some(address) = six else { continue };
                let data = RData::AAAA(AAAA { address: address.into() });
                answer.answers.push(ResourceRecord::new(asked.qname.clone(), CLASS::IN, 600, data));
            } else {
                *answer.rcode_mut() = RCODE::NameError;
            }
            // Somebody else's answer comes first.
            let mut strange = Packet::new_reply(question.id().wrapping_add(1));
            strange.questions.push(asked);
            socket.send_to(&strange.build_bytes_vec().unwrap(), asker).await.unwrap();
            socket.send_to(&answer.build_bytes_vec().unwrap(), asker).await.unwrap();
        }
    });
    address
}

fn v4(address: [u8; 4]) -> Addresses {
    Addresses { first: address.into(), also: None }
}

fn near() -> Vec<IpNet> {
    vec!["172.18.0.0/16".parse().unwrap()]
}

#[tokio::test]
async fn a_container_is_where_the_engine_says() {
    let server = service(&[("0123456789ab", [172, 18, 0, 7])]).await;
    let asked = ask(server, "0123456789ab", &near()).await.unwrap();
    assert_eq!(asked, Answer::At(v4([172, 18, 0, 7])));
    assert_eq!(ask(server, "ffffffffffff", &near()).await.unwrap(), Answer::Nowhere);
}

/// Some apps listen on one of the two alone.
#[tokio::test]
async fn a_container_is_at_both_of_its_addresses_where_a_network_has_both() {
    let six: Ipv6Addr = "fd42::7".parse().unwrap();
    let server = service_of_both(&[("0123456789ab", [172, 18, 0, 7])], Some(six)).await;
    assert_eq!(ask(server, "0123456789ab", &near()).await.unwrap(), Answer::At(v4([172, 18, 0, 7])), "none is near");
    let networks = [near(), vec!["fd42::/64".parse().unwrap()]].concat();
    let both = Addresses { first: [172, 18, 0, 7].into(), also: Some(six.into()) };
    assert_eq!(ask(server, "0123456789ab", &networks).await.unwrap(), Answer::At(both));
    let alone = Addresses { first: six.into(), also: None };
    assert_eq!(ask(server, "ffffffffffff", &networks).await.unwrap(), Answer::At(alone));
}

/// The engine asks its host's name service for what it does not know, and some of those know everything.
#[tokio::test]
async fn nobody_is_led_out_of_the_networks_that_the_front_is_on() {
    let server = service(&[("0123456789ab", [203, 0, 113, 7])]).await;
    assert_eq!(ask(server, "0123456789ab", &near()).await.unwrap(), Answer::Nowhere);
}

#[tokio::test]
async fn while_there_is_no_engine_what_it_gave_out_stays() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(ask(nobody, "0123456789ab", &near()).await.unwrap(), Answer::NobodyAnswers);
    let whereabouts = Whereabouts::new("0123456789abcdef");
    assert!(whereabouts.note(Answer::NobodyAnswers).is_err(), "nothing is known yet");
    whereabouts.note(Answer::At(v4([172, 18, 0, 7]))).unwrap();
    assert_eq!(whereabouts.note(Answer::NobodyAnswers).unwrap(), v4([172, 18, 0, 7]));
    assert!(whereabouts.note(Answer::Nowhere).is_err());
    assert!(whereabouts.note(Answer::NobodyAnswers).is_err(), "its address may be somebody else's by now");
}

#[test]
fn the_name_service_and_the_networks_are_read() {
    assert_eq!(
        first_server("search x\nnameserver 127.0.0.11\nnameserver 8.8.8.8\n"),
        Some(([127, 0, 0, 11], 53).into())
    );
    assert_eq!(first_server("# nameserver\n"), None);
    let net = address_of("fd4200000000000000000000000000fe 1a 40 00 80     eth0").unwrap();
    assert_eq!(net.to_string(), "fd42::fe/64");
}
