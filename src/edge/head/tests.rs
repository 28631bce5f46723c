use super::*;
use crate::edge::refusal::objection;
use http::Request;

fn parts(request: http::request::Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

fn sent(mut parts: Parts, settings: &EdgeSettings) -> Vec<String> {
    let (speaks, upgrade) = (speaks(&parts), upgrade(&parts));
    for_replica(&mut parts, [192, 0, 2, 7].into(), settings, speaks, upgrade);
    let mut lines: Vec<String> =
        parts.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines.insert(0, format!("{} {} {:?}", parts.method, parts.uri, parts.version));
    lines
}

#[test]
fn what_concerns_one_connection_stays_there() {
    let request = Request::get("/a%2Fb?x=%20")
        .header("host", "shop.test")
        .header("connection", "close, X-Secret, host")
        .header("x-secret", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "gzip")
        .header("transfer-encoding", "chunked")
        .header("proxy-authorization", "x")
        .header("upgrade", "websocket")
        .header("trailer", "checksum");
    insta::assert_snapshot!(sent(parts(request), &EdgeSettings::default()).join("\n"), @r"
    GET /a%2Fb?x=%20 HTTP/1.1
    host: shop.test
    trailer: checksum
    x-forwarded-for: 192.0.2.7
    x-forwarded-host: shop.test
    x-forwarded-proto: http
    ");
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let request = || {
        parts(
            Request::get("/")
                .header("host", "shop.test")
                .header("x-forwarded-for", "203.0.113.9")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-port", "443")
                .header("x-real-ip", "203.0.113.9")
                .header("forwarded", "for=203.0.113.9"),
        )
    };
    insta::assert_snapshot!(sent(request(), &EdgeSettings::default()).join("\n"), @r"
    GET / HTTP/1.1
    host: shop.test
    x-forwarded-for: 192.0.2.7
    x-forwarded-host: shop.test
    x-forwarded-proto: http
    ");
    let trusting = EdgeSettings { trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()], ..EdgeSettings::default() };
    insta::assert_snapshot!(sent(request(), &trusting).join("\n"), @r"
    GET / HTTP/1.1
    forwarded: for=203.0.113.9
    host: shop.test
    x-forwarded-for: 203.0.113.9, 192.0.2.7
    x-forwarded-host: shop.test
    x-forwarded-port: 443
    x-forwarded-proto: https
    x-real-ip: 203.0.113.9
    ");
}

#[test]
fn an_upgrade_is_passed_on_and_h2c_is_not() {
    let request = |to: &str| {
        Request::get("/").header("host", "a").header("connection", "keep-alive, Upgrade").header("upgrade", to)
    };
    let lines = sent(parts(request("websocket")), &EdgeSettings::default());
    assert!(lines.contains(&"upgrade: websocket".to_string()) && lines.contains(&"connection: upgrade".to_string()));
    assert!(!sent(parts(request("h2c")), &EdgeSettings::default()).iter().any(|line| line.contains("upgrade")));
}

#[test]
fn http2_becomes_http1_but_for_grpc() {
    let request = || {
        Request::post("http://shop.test/x?y").version(Version::HTTP_2).header("cookie", "a=1").header("cookie", "b=2")
    };
    insta::assert_snapshot!(sent(parts(request()), &EdgeSettings::default()).join("\n"), @r"
    POST /x?y HTTP/1.1
    cookie: a=1; b=2
    host: shop.test
    x-forwarded-for: 192.0.2.7
    x-forwarded-host: shop.test
    x-forwarded-proto: http
    ");
    let grpc = parts(request().header("content-type", "application/grpc+proto").header("te", "trailers"));
    assert_eq!(speaks(&grpc), Speaks::Http2);
    let lines = sent(grpc, &EdgeSettings::default());
    assert_eq!(lines[0], "POST http://shop.test/x?y HTTP/2.0");
    assert!(lines.contains(&"te: trailers".to_string()));
}

#[test]
fn what_could_mean_two_things_is_refused() {
    let two = Request::get("/").header("host", "a").header("host", "b");
    assert!(objection(&parts(two)).is_some());
    assert!(objection(&parts(Request::get("/"))).is_some());
    assert!(objection(&parts(Request::get("/").version(Version::HTTP_10))).is_none());
    assert!(objection(&parts(Request::connect("a:1").header("host", "a"))).is_some());
    // No path: the edge would look for one that is empty, and the replica be asked for `/`.
    for target in ["other.test", "other.test:80", "S*"] {
        assert!(objection(&parts(Request::get(target).header("host", "a"))).is_some(), "{target}");
    }
    assert!(objection(&parts(Request::options("*").header("host", "a"))).is_none());
    assert!(objection(&parts(Request::get("http://a.test").header("host", "a"))).is_none());
    let both = parts(Request::get("http://one.test/").header("host", "two.test"));
    assert_eq!((objection(&both), host(&both)), (None, Some("one.test")));
}

#[test]
fn an_id_is_kept_when_it_can_be_written_into_a_log() {
    let mut headers = HeaderMap::new();
    headers.insert(REQUEST_ID, HeaderValue::from_static("abc-123"));
    assert_eq!(request_id(&mut headers, true), "abc-123");
    headers.insert(REQUEST_ID, HeaderValue::from_static("a b"));
    let made = request_id(&mut headers, true);
    assert_eq!(made.len(), 32);
    assert_eq!(headers.get(REQUEST_ID), Some(&made));
}

/// What a program behind CGI or WSGI takes for one of them.
#[test]
fn headers_that_are_spelled_otherwise_imitate_nothing() {
    let request = || {
        let mut request = Request::get("/").header("host", "shop.test").header("my_own", "stays");
        for name in [
            "X_Forwarded_For",
            "X-Forwarded_For",
            "x_forwarded-proto",
            "X.Forwarded.For",
            "X_Real_IP",
            "X-Real_IP",
            "X_Request_Id",
            "Content_Length",
            "Transfer_Encoding",
            "Proxy",
        ] {
            request = request.header(name, "203.0.113.9");
        }
        parts(request)
    };
    let expected = "GET / HTTP/1.1\nhost: shop.test\nmy_own: stays\nx-forwarded-for: 192.0.2.7\nx-forwarded-host: shop.test\nx-forwarded-proto: http";
    assert_eq!(sent(request(), &EdgeSettings::default()).join("\n"), expected);
    // A proxy says these in the usual spelling; what is spelled otherwise came from its client.
    let trusting = EdgeSettings { trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()], ..EdgeSettings::default() };
    assert_eq!(sent(request(), &trusting).join("\n"), expected);
}

#[test]
fn connection_takes_off_nothing_that_says_who_asks() {
    let request = Request::get("/")
        .header("host", "shop.test")
        .header("connection", "X-Forwarded-For, x-forwarded-proto, x-real-ip, x-request-id, authorization, x-hop")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("x-real-ip", "203.0.113.9")
        .header("x-request-id", "id-1")
        .header("authorization", "who it is")
        .header("x-hop", "1");
    let trusting = EdgeSettings { trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()], ..EdgeSettings::default() };
    insta::assert_snapshot!(sent(parts(request), &trusting).join("\n"), @r"
    GET / HTTP/1.1
    authorization: who it is
    host: shop.test
    x-forwarded-for: 203.0.113.9, 192.0.2.7
    x-forwarded-host: shop.test
    x-forwarded-proto: https
    x-real-ip: 203.0.113.9
    x-request-id: id-1
    ");
}
