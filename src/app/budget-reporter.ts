// What happens to budgets as events: so many in a minute, and the number of the others.
import type { BudgetNews } from '../admission/budget.ts'
import { budgetName, plainAmount } from '../admission/budget-error.ts'
import type { Events, GatewayEvent } from '../observe/events.ts'
import type { SetTimer } from '../platform/clock.ts'

const countMs = 60_000
/** At midnight the windows of all keys begin. */
const maxPerMinute = 50

export function budgetReporter(events: Events, setTimer: SetTimer): (news: BudgetNews) => void {
  let emitted = 0
  let unlogged = 0
  const startAnew = () => {
    if (unlogged > 0) events.emit({ kind: 'budget_events_unlogged', count: unlogged })
    emitted = 0
    unlogged = 0
  }
  return (news) => {
    if (emitted === 0) setTimer(startAnew, countMs)
    emitted += 1
    if (emitted <= maxPerMinute) events.emit(eventOf(news))
    else unlogged += 1
  }
}

function eventOf(news: BudgetNews): GatewayEvent {
  if (news.kind === 'clock_jumped') return { kind: 'clock_jumped', forward_ms: news.forwardMs }
  const { kind, scope, budget, spent, resetsAtMs } = news
  return {
    kind: `budget_${kind}`,
    scope: scope.name,
    of: scope.entry,
    budget: budgetName(budget),
    spent: plainAmount(budget, spent),
    resets_at: resetsAtMs === undefined ? undefined : new Date(resetsAtMs).toISOString(),
  }
}
