use super::*;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Sample {
    text: Text,
    number: Number,
    flag: Flag,
    inner: Object<Inner>,
    list: List<Inner>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Inner {
    name: Text,
}

fn sample(json: &str) -> Sample {
    parse(json.as_bytes()).unwrap()
}

#[test]
fn values_of_the_right_type_are_read() {
    let read = sample(
        r#"{"text":"a\u00e4","number":-7,"flag":true,"inner":{"name":"n","other":[1]},"list":[{"name":"1"},{}]}"#,
    );
    assert_eq!(read.text, Text::Value("a\u{e4}".into()));
    assert_eq!((read.number.0, read.flag.0), (Some(-7), true));
    assert_eq!(read.inner.0.unwrap().name.filled().as_deref(), Some("n"));
    assert_eq!(read.list.0.len(), 2);
}

#[test]
fn values_of_a_wrong_type_are_seen_as_such_and_cost_nothing_else() {
    for odd in ["1", "1e999", "-1.5", "18446744073709551615", "true", "[[{}]]", r#"{"a":{"b":[]}}"#] {
        let json = format!(r#"{{"text":{odd},"number":"7","flag":"true","inner":[{odd}],"list":{{"name":{odd}}}}}"#);
        let Ok(read) = parse::<Sample>(json.as_bytes()) else {
            assert_eq!(odd, "1e999", "only a number that no reader can hold is refused");
            continue;
        };
        assert_eq!(read.text, Text::Other, "{odd}");
        assert_eq!((read.number.0, read.flag.0), (None, false));
        assert!(read.inner.0.is_none() && read.list.0.is_empty());
    }
    let nulls = sample(r#"{"text":null,"number":null,"flag":null,"inner":null,"list":null}"#);
    assert_eq!(nulls.text, Text::Absent);
}

#[test]
fn depth_costs_no_stack_wherever_it_stands() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let maps = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    for nest in [deep, maps] {
        for json in [
            nest.clone(),
            format!(r#"{{"x":{nest}}}"#),
            format!(r#"{{"list":{nest}}}"#),
            format!(r#"{{"text":{nest}}}"#),
        ] {
            let _ = parse::<Sample>(json.as_bytes());
        }
    }
}

#[test]
fn a_key_that_is_there_twice_is_refused_at_any_depth_that_is_read() {
    for json in
        [r#"{"text":"a","text":"b"}"#, r#"{"inner":{"name":"a","name":"a"}}"#, r#"{"list":[{"name":1,"name":2}]}"#]
    {
        let error = parse::<Sample>(json.as_bytes()).unwrap_err();
        assert!(error.reason.contains("duplicate field"), "{}", error.reason);
    }
}

#[test]
fn a_long_list_is_kept_up_to_its_bound() {
    let json = format!(r#"{{"list":[{}{{}}]}}"#, "{},".repeat(LIST_KEPT * 3));
    assert_eq!(sample(&json).list.0.len(), LIST_KEPT);
}

#[test]
fn content_types_are_known_by_their_essence() {
    let of = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, value.parse().unwrap());
        }
        content_type(&headers)
    };
    assert_eq!(of(&["Application/JSON; charset=UTF-8"]), Some(ContentType::Json));
    assert_eq!(of(&["application/x-www-form-urlencoded"]), Some(ContentType::Form));
    assert_eq!(of(&["application/json", "application/x-www-form-urlencoded"]), None);
    for other in ["", "text/plain", "application/jsonp", "multipart/form-data"] {
        assert_eq!(of(&[other]), None, "{other}");
    }
}
