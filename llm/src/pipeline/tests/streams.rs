//! Streams end once, however they end.

use super::*;

async fn first_chunk(stack: &ScopeStack) -> LlmStream {
    let chunks = vec![Ok(json!({"delta": "a"})), Ok(json!({"delta": "b"})), Ok(json!({"delta": "c"}))];
    let mut stream = call().stream(stack, streaming(chunks), None).await.unwrap();
    stream.next().await.unwrap().unwrap();
    stream
}

#[tokio::test]
async fn a5_a_stream_that_is_dropped_ends_once_with_what_there_was() {
    let Fixture { pipeline, stack, log } = fixture();
    drop(first_chunk(&stack).await);
    let ends_of_drop = ends(&log);
    assert_eq!(ends_of_drop.len(), 1);
    assert_eq!(ends_of_drop[0].data["choices"][0]["message"]["content"], json!("a"));
    assert_eq!(ends_of_drop[0].metadata, json!({"kitaru.llm.stream": "closed_early"}));
    assert!(ends_of_drop[0].attributes().unwrap().contains("streaming"));

    // With a sanitiser that needs time, the payload is left out rather than shown.
    let slow: Arc<dyn Sanitizer<Value>> = Arc::new(Slow);
    pipeline.registrations().llm.response_sanitizers.register(Registration::new("slow", 0), slow).unwrap();
    log.take();
    drop(first_chunk(&stack).await);
    assert_eq!((ends(&log).len(), &ends(&log)[0].data, ends(&log)[0].error_type()), (1, &Value::Null, Some("cancelled")));
    log.take();
    first_chunk(&stack).await.close(None).await;
    assert_eq!((ends(&log).len(), &ends(&log)[0].data), (1, &json!("slowly")));
}

struct Slow;

#[async_trait::async_trait]
impl Sanitizer<Value> for Slow {
    async fn sanitize(&self, _: &Arc<CallInfo>, _: Value) -> Result<Option<Value>, Cause> {
        tokio::task::yield_now().await;
        Ok(Some(json!("slowly")))
    }
}

#[tokio::test]
async fn a_stream_ends_once_however_it_ends() {
    let Fixture { stack, log, .. } = fixture();
    for (last, error_type) in
        [(Err("cut off"), Some("upstream")), (Ok(json!({"refuse": true})), Some("collector")), (Ok(json!({})), None)]
    {
        let failed = error_type.is_some();
        let chunks = vec![Ok(json!({"delta": "a"})), last];
        let mut stream = call().stream(&stack, streaming(chunks), None).await.unwrap();
        assert!(stream.next().await.unwrap().is_ok());
        assert_eq!(stream.next().await.unwrap().is_err(), failed);
        assert!(stream.next().await.is_none() && stream.next().await.is_none());
        drop(stream);
        let ends = ends(&log);
        assert_eq!((ends.len(), ends[0].error_type()), (1, error_type));
        assert_eq!(ends[0].data["choices"][0]["message"]["content"], json!("a"), "the part is recorded");
        log.take();
    }
    let failing = FromFn(|_: RawRequest| async { Err::<Chunks, _>(probe::boom()) });
    assert!(call().stream(&stack, Arc::new(failing), None).await.is_err());
    assert_eq!((ends(&log).len(), ends(&log)[0].error_type()), (1, Some("internal")));
}

#[tokio::test]
async fn whoever_sees_a_start_sees_its_end() {
    let Fixture { pipeline, stack, log } = fixture();
    let scope = stack.push(NewScope::new("s", Category::Agent)).unwrap();
    let local = stack.registrations(scope.uuid).unwrap();
    local.llm.response_sanitizers.register(Registration::new("ssn", 0), redacting()).unwrap();
    let stream = first_chunk(&stack).await;
    stack.pop(&scope, ScopeEnd::default()).unwrap();
    assert!(pipeline.registrations().subscribers.deregister("log"));
    drop(stream);
    assert_eq!(ends(&log).len(), 1);
}

#[tokio::test]
async fn an_error_that_nobody_waited_for_is_told_by_the_next_call() {
    let Fixture { pipeline, stack, log } = fixture();
    pipeline.registrations().llm.response_sanitizers.register(Registration::new("slow", 0), Arc::new(Slow)).unwrap();
    let mut stream = call().stream(&stack, streaming(vec![Err("boom")]), None).await.unwrap();
    tokio::select! {
        biased;
        _ = stream.next() => panic!("the sanitiser takes longer"),
        () = std::future::ready(()) => {}
    }
    assert!(matches!(stream.next().await, Some(Err(CallError::Execution(_)))));
    assert!(stream.next().await.is_none());
    assert_eq!(ends(&log).len(), 1);
}
