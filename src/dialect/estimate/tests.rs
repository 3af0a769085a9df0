//! The estimate against counts of a real vocabulary, and its independence from how text is split.

use proptest::prelude::*;

use super::*;

/// Texts and their tokens in the o200k vocabulary.
const COUNTED: [(&str, u64); 27] = [
    (
        "The gateway reads the request once, checks what the account can pay for, and sends it on to a provider that is likely to answer. When the answer comes back, every piece of it leaves at once, and the price is counted from what the provider says it used. If nothing is said, the text is measured here, which is less exact but never forgotten.",
        74,
    ),
    (
        "Sure! Here's what I'd do: first, don't panic. Second, check whether you've saved your work; if you haven't, that's fine too. I'm happy to walk you through it step by step, okay?",
        42,
    ),
    (
        "Asynchronous initialisation of the infrastructure necessitates comprehensive synchronisation between heterogeneous microservices, particularly when authentication credentials are rotated automatically.",
        25,
    ),
    (
        "pub fn settle(&mut self, id: HoldId, cost: NanoUsd) -> Result<Event, Refusal> {\n    let hold = self.holds.get(&id).ok_or(Refusal::UnknownHold)?;\n    let charged = cost.min(hold.amount);\n    Ok(Event::Settled { id, cost, charged })\n}\n",
        69,
    ),
    (
        "def average(values):\n    \"\"\"Return the mean of a list of numbers.\"\"\"\n    if not values:\n        raise ValueError(\"no values\")\n    total = 0.0\n    for value in values:\n        total += value\n    return total / len(values)\n",
        54,
    ),
    (
        "{\"city\": \"Lisbon\", \"unit\": \"celsius\", \"days\": 5, \"include\": [\"wind\", \"rain\"], \"at\": {\"latitude\": 38.7223, \"longitude\": -9.1393}}",
        50,
    ),
    (
        "## Steps\n\n1. **Install** the toolchain.\n2. Run `cargo test`.\n3. Read the *report*:\n\n| name | value |\n| --- | --- |\n| requests | 1,204 |\n| errors | 0 |\n",
        51,
    ),
    ("3.14159265358979 2718281828 1,000,000 42 2024-11-23T14:35:07Z 192.168.0.1 0xdeadbeef", 48),
    ("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", 43),
    (
        "Das Guthaben wird geprüft, bevor die Anfrage weitergeleitet wird. Fällt ein Anbieter aus, übernimmt ein anderer, ohne dass der Kunde etwas davon bemerkt. Abgerechnet wird ausschließlich, was tatsächlich verbraucht worden ist.",
        46,
    ),
    (
        "Le solde est vérifié avant que la demande ne soit transmise. Si un fournisseur tombe en panne, un autre prend le relais sans que le client s'en aperçoive, et l'on ne facture que ce qui a été réellement consommé.",
        51,
    ),
    (
        "El saldo se comprueba antes de enviar la petición. Si un proveedor falla, otro ocupa su lugar sin que el cliente lo note, y solo se cobra lo que realmente se ha consumido.",
        39,
    ),
    (
        "Saldo jest sprawdzane, zanim żądanie zostanie przekazane dalej. Jeśli dostawca zawiedzie, inny przejmuje jego zadanie, a klient nawet tego nie zauważy.",
        42,
    ),
    (
        "İstek gönderilmeden önce bakiye kontrol edilir. Bir sağlayıcı yanıt vermezse, müşteri fark etmeden bir başkası onun yerini alır.",
        35,
    ),
    (
        "Баланс проверяется до того, как запрос будет отправлен. Если один поставщик не отвечает, его заменяет другой, и клиент этого даже не замечает. Оплачивается только то, что действительно израсходовано.",
        46,
    ),
    (
        "Το υπόλοιπο ελέγχεται πριν σταλεί το αίτημα. Αν ένας πάροχος αποτύχει, τον αντικαθιστά κάποιος άλλος χωρίς να το καταλάβει ο πελάτης.",
        46,
    ),
    (
        "يتم التحقق من الرصيد قبل إرسال الطلب. إذا تعطل أحد المزودين، يحل محله مزود آخر دون أن يلاحظ العميل ذلك.",
        33,
    ),
    (
        "היתרה נבדקת לפני שהבקשה נשלחת. אם ספק אחד נכשל, ספק אחר תופס את מקומו בלי שהלקוח ישים לב.",
        37,
    ),
    (
        "अनुरोध भेजने से पहले शेष राशि की जाँच की जाती है। यदि एक प्रदाता विफल हो जाता है, तो दूसरा उसकी जगह ले लेता है।",
        37,
    ),
    ("ระบบจะตรวจสอบยอดเงินก่อนส่งคำขอ หากผู้ให้บริการรายหนึ่งล้มเหลว รายอื่นจะเข้ามาแทนที่โดยที่ลูกค้าไม่รู้สึก", 38),
    (
        "在发送请求之前会先检查余额。如果一个供应商出现故障,另一个会立即接替,客户完全不会察觉。只有真正使用的部分才会收费。",
        38,
    ),
    (
        "リクエストを送る前に残高を確認します。ある提供元が応答しない場合は、別の提供元がすぐに引き継ぐので、利用者は何も気づきません。",
        51,
    ),
    (
        "요청을 보내기 전에 잔액을 확인합니다. 한 공급자가 응답하지 않으면 다른 공급자가 바로 이어받기 때문에 고객은 아무것도 알아차리지 못합니다.",
        40,
    ),
    ("Great 🎉🎉 let's go 🚀🔥 — see you soon 😀👍🏽", 18),
    (
        "+------+-------+\n|  a   |   b   |\n+------+-------+\n|  1   |   22  |\n+------+-------+\n",
        32,
    ),
    (
        "SELECT account, SUM(cost) AS total\nFROM usage\nWHERE at >= '2026-01-01'\nGROUP BY account\nHAVING SUM(cost) > 100\nORDER BY total DESC\nLIMIT 20;",
        45,
    ),
    (
        "getUserAccountBalance(accountId).thenApply(balanceResult -> balanceResult.getAvailableAmount()).whenComplete(this::handleCompletion);",
        25,
    ),
];

fn tokens(text: &str) -> u64 {
    let mut estimator = Estimator::default();
    estimator.feed(text.as_bytes());
    estimator.tokens()
}

#[test]
fn the_estimate_is_within_a_quarter_of_a_real_count() {
    for (text, counted) in COUNTED {
        let estimated = tokens(text);
        let within = estimated * 4 >= counted * 3 && estimated * 4 <= counted * 5;
        assert!(within, "{estimated} for {counted}: {text}");
    }
}

#[test]
fn over_many_kinds_of_text_the_errors_cancel_out() {
    let (estimated, counted) = COUNTED.iter().fold((0, 0), |(estimated, sum), (text, counted)| {
        (estimated + tokens(text), sum + counted)
    });
    assert!(estimated * 100 >= counted * 95 && estimated * 100 <= counted * 105);
}

#[test]
fn no_text_has_no_tokens_and_any_text_has_some() {
    assert_eq!(tokens(""), 0);
    for text in ["a", " ", "\n", "1", ".", "é", "中", "😀", "\0", "\u{7f}", "\u{80}"] {
        assert!(tokens(text) > 0, "{text:?}");
    }
}

proptest! {
    #[test]
    fn the_count_does_not_depend_on_the_split(text: String, at: prop::sample::Index) {
        let (head, tail) = text.as_bytes().split_at(at.index(text.len() + 1));
        let mut estimator = Estimator::default();
        estimator.feed(head);
        let before = estimator.tokens();
        estimator.feed(tail);
        prop_assert_eq!(estimator.tokens(), tokens(&text));
        prop_assert!(before <= estimator.tokens());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut estimator = Estimator::default();
        estimator.feed(&bytes);
        // The first byte of an accented letter, alone, weighs 2.2 tokens; no byte weighs more.
        prop_assert!(estimator.tokens() <= (220 * bytes.len() as u64).div_ceil(100));
    }
}
