use super::*;

fn window(days: &str, from: &str, to: &str, zone: &str) -> Window {
    let days = days.split(' ').map(str::to_string).collect();
    Window { days, from: from.into(), to: to.into(), timezone: Some(zone.into()) }
}

#[test]
fn what_overlaps_is_found() {
    let set = [
        window("mon-fri", "09:00", "12:00", "UTC"),
        window("fri", "11:00", "13:00", "UTC"),
        window("fri", "13:00", "14:00", "UTC"),
        window("sun", "23:00", "02:00", "UTC"),
        window("mon", "01:00", "03:00", "UTC"),
    ];
    assert_eq!(overlaps(&set), [(0, 1), (3, 4)]);
}

#[test]
fn what_is_wrong_is_said_with_its_key() {
    let wrong = |window: Window| format!("{:?}", window.read().unwrap_err());
    assert_eq!(
        wrong(window("mon", "09:00", "09:00", "UTC")),
        r#"[("to", "opens and closes at 09:00, so it would never open; from \"00:00\" to \"24:00\" is the whole day")]"#
    );
    assert!(wrong(window("monday", "09:00", "17:00", "UTC")).contains("is not a day or a range of days"));
    assert!(wrong(window("mon", "24:00", "17:00", "UTC")).contains("is not a time of day"));
    assert!(wrong(window("mon", "9:00", "17:60", "UTC")).contains(r#"("to", "\"17:60\" is not a time of day"#));
    assert!(wrong(window("mon", "09:00", "17:00", "Mars/Olympus")).contains("is not a time zone"));
    let none = Window { days: vec![], ..window("mon", "09:00", "17:00", "UTC") };
    assert!(wrong(none).contains("names no day"));
    let freeze =
        |from: &str, to: &str| Freeze { from: from.into(), to: to.into(), reason: None, timezone: None }.read();
    assert!(freeze("2026-12-31", "2026-12-01").is_err_and(|wrong| wrong[0].1.contains("before it begins")));
    assert!(freeze("2026-12-31", "9999-12-31").is_err_and(|wrong| wrong[0].1.contains("and 366 is the most")));
    assert!(freeze("2026-01-01", "2027-01-01").is_ok());
    assert!(freeze("2026-01-01", "2027-01-02").is_err());
    assert!(freeze("2026-13-01", "2026-12-01").is_err());
}
