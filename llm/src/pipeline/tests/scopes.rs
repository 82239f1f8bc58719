//! Scopes: their order, and whose they are.

use super::*;

#[test]
fn scopes_end_in_the_reverse_order_of_their_beginning() {
    let Fixture { stack, log, .. } = fixture();
    let outer = stack.push(NewScope::new("outer", Category::Agent)).unwrap();
    let inner = stack.push(NewScope::new("inner", Category::Function)).unwrap();
    assert_eq!((outer.parent, inner.parent), (None, Some(outer.uuid)));
    let pop = |scope| stack.pop(scope, ScopeEnd::default());
    assert_eq!(pop(&outer), Err(ScopeError::NotAtTop { scope: outer.uuid, top: inner.uuid }));
    let fork = stack.fork();
    let forked = fork.push(NewScope::new("forked", Category::Function)).unwrap();
    assert_eq!(forked.parent, Some(inner.uuid));
    fork.unwind(Some("cancelled"));
    assert_eq!(fork.pop(&inner, ScopeEnd::default()), Err(ScopeError::Inherited { scope: inner.uuid }));
    assert_eq!((pop(&inner), pop(&outer)), (Ok(()), Ok(())));
    assert_eq!(pop(&outer), Err(ScopeError::NotFound { scope: outer.uuid }));
    assert_eq!(stack.push(NewScope::new("c", Category::Custom)).unwrap_err(), ScopeError::Subtype);
    let forked = log.events().into_iter().find(|event| event.is_end() && event.name == "forked").unwrap();
    assert_eq!(forked.error_type(), Some("cancelled"));
}

#[tokio::test]
async fn the_current_stack_belongs_to_the_task() {
    let Fixture { pipeline, stack, .. } = fixture();
    assert!(ScopeStack::current().is_none());
    let scope = stack.push(NewScope::new("s", Category::Agent)).unwrap();
    let other = pipeline.stack();
    let top = || ScopeStack::current().unwrap().top().map(|scope| scope.uuid);
    let (first, second): (Option<Uuid>, Option<Uuid>) = tokio::join!(stack.enter(async { top() }), other.enter(async { top() }));
    assert_eq!((first, second), (Some(scope.uuid), None));
}
