use super::*;
use crate::model::ForgeKind;

fn delivery(number: i64, kind: &str, outcome: &str, reason: &str) -> DeliverySummary {
    DeliverySummary {
        number,
        project: "shop".parse().unwrap(),
        id: format!("guid-{number}"),
        forge: ForgeKind::GitHub,
        event: "push".into(),
        kind: kind.into(),
        reference: (kind == "push").then(|| "refs/heads/main".parse().unwrap()),
        commit: (kind == "push").then(|| "a".repeat(40).parse().unwrap()),
        sender: Some("ada".into()),
        found: number == 3,
        received_at: Timestamp::from_second(1_795_507_200 - number * 100).unwrap(),
        outcome: outcome.into(),
        reason: reason.into(),
        page: format!("https://deploy.example.com/deliveries/{number}"),
    }
}

#[test]
fn what_people_read() {
    let list = [
        delivery(3, "push", "deploys", "production: deployment 5 of aaaaaaaaaaaa"),
        delivery(2, "refused", "refused", "the signature is wrong: compare the secret on both sides"),
        delivery(1, "ping", "ignored", "The hook of project shop works"),
    ];
    let now = Timestamp::from_second(1_795_507_200).unwrap();
    insta::assert_snapshot!(text(&list, &Look::plain(), now), @"
    #  RECEIVED   PROJECT  EVENT         REF   COMMIT        OUTCOME  WHY
    3  5 min ago  shop     push (found)  main  aaaaaaaaaaaa  deploys  production: deployment 5 of aaaaaaaaaaaa
    2  3 min ago  shop     refused       -     -             refused  the signature is wrong: compare the secret on both sides
    1  1 min ago  shop     ping          -     -             ignored  The hook of project shop works
    ");
    insta::assert_snapshot!(text(&[], &Look::plain(), now), @"Nothing came yet. The hook's URL is <public-url>/hooks/<project>; refused requests would be listed too.");
    insta::assert_snapshot!(again(&list[..1]), @"
    Delivery 3 of shop is looked at again
    https://deploy.example.com/deliveries/3
    ");
}
