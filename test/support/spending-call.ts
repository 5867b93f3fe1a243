// A call that budgets apply to, for tests that do not look at who sent it.
import type { SpendingCall } from '../../src/domain.ts'

export const spendingCall: SpendingCall = {
  requestId: 'req-1',
  client: 'user:ann',
  key: undefined,
  secret: undefined,
  via: undefined,
  dialect: 'chat',
  model: 'qwen',
}
