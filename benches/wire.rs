//! The wire formats on the hot path: envelope, splice, event scan, chunk and meter.

#![expect(clippy::expect_used, reason = "a bench that cannot start should say why")]

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use infergate::dialect::chat::Chunk;
use infergate::dialect::envelope::{Envelope, Limits};
use infergate::dialect::meter::Meter;
use infergate::dialect::splice::{self, CeilingField, Edits};
use infergate::dialect::sse::Scanner;

const DELTAS: usize = 1_000;

/// A conversation of about `bytes` bytes, in messages of about 200.
fn request(bytes: usize) -> Bytes {
    let mut body = String::from(
        "{\"model\":\"gpt-5.4-mini\",\"stream\":true,\"temperature\":0.7,\"max_tokens\":1024,\
         \"messages\":[{\"role\":\"system\",\"content\":\"Answer briefly.\"}",
    );
    while body.len() < bytes {
        body.push_str(
            ",{\"role\":\"user\",\"content\":\"What does a gateway do when a provider stops \
             answering?\\nPlease say it in two sentences, with \\\"quotes\\\" where they help, and \
             without a list.\"}",
        );
    }
    body.push_str("]}");
    body.into()
}

/// A stream of [`DELTAS`] chunks of about 230 bytes, as OpenAI writes them.
fn stream() -> Bytes {
    let mut stream = String::new();
    for word in [" the", " provider", " answers", ",", " and"].into_iter().cycle().take(DELTAS) {
        write!(
            stream,
            "data: {{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\
             \"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-5.4-mini\",\
             \"system_fingerprint\":\"fp_b705f0c291\",\"choices\":[{{\"index\":0,\"delta\":\
             {{\"content\":\"{word}\"}},\"finish_reason\":null}}],\"usage\":null}}\n\n"
        )
        .expect("a string");
    }
    stream.into()
}

fn requests(criterion: &mut Criterion) {
    let limits = Limits::default();
    let edits = Edits {
        model: Some("upstream-model-name"),
        output_ceiling: Some(500),
        ceiling_field: CeilingField::MaxTokens,
        include_usage: true,
        prefill: None,
    };
    for (name, bytes) in [("2KB", 2 << 10), ("100KB", 100 << 10)] {
        let body = request(bytes);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("envelope", |bencher| {
            bencher.iter(|| Envelope::parse(black_box(&body), &limits).map(|e| e.choices));
        });
        let envelope = Envelope::parse(&body, &limits).expect("a request");
        group.bench_function("splice", |bencher| {
            bencher.iter(|| splice::apply(black_box(&envelope), &edits));
        });
    }
}

fn streams(criterion: &mut Criterion) {
    let stream = stream();
    let mut group = criterion.benchmark_group("1000_deltas");
    group.throughput(Throughput::Elements(DELTAS as u64));
    for (name, frame_bytes) in [("scan/one_frame", stream.len()), ("scan/frames_of_1400", 1400)] {
        let frames: Vec<Bytes> =
            stream.chunks(frame_bytes).map(|frame| stream.slice_ref(frame)).collect();
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                Scanner::default,
                |scanner| scan(scanner, &frames),
                BatchSize::SmallInput,
            );
        });
    }
    let mut scanner = Scanner::default();
    scanner.push(stream.clone());
    let mut events = Vec::new();
    while let Ok(Some(event)) = scanner.next_event() {
        events.push(event);
    }
    group.bench_function("classify", |bencher| {
        bencher.iter(|| {
            events.iter().filter(|event| content(event.data().unwrap_or_default())).count()
        });
    });
    group.bench_function("scan_classify_meter", |bencher| {
        bencher.iter(|| {
            let (mut scanner, mut meter) = (Scanner::default(), Meter::new(10));
            scanner.push(black_box(&stream).clone());
            while let Ok(Some(event)) = scanner.next_event() {
                if let Chunk::Facts(facts) =
                    Chunk::read(event.name(), event.data().unwrap_or_default())
                {
                    meter.observe(&facts);
                }
            }
            meter.usage()
        });
    });
}

fn scan(scanner: &mut Scanner, frames: &[Bytes]) -> usize {
    let mut events = 0;
    for frame in frames {
        scanner.push(frame.clone());
        while let Ok(Some(event)) = scanner.next_event() {
            events += usize::from(black_box(&event).data().is_some());
        }
    }
    events
}

fn content(data: &[u8]) -> bool {
    matches!(Chunk::read(None, black_box(data)), Chunk::Facts(facts) if facts.has_content)
}

criterion_group!(benches, requests, streams);
criterion_main!(benches);
