// A gateway with limits, a clock that the test moves, and a scripted provider.
import { whole } from '../support/chat-content.ts'
import { FakeClock } from '../support/fake-clock.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { type Options, type Running, startGateway } from '../support/app.ts'
import type { Setup } from '../support/gateway-config.ts'

export interface Limited extends Running {
  readonly clock: FakeClock
}

export type Limits = Setup['rate_limit_settings']

/** One provider with the models `small` and `other`; clients are told apart by address, whoever runs the tests. */
export function limited(rate_limit_settings: Limits, more: Setup<'scripted'> = {}): Setup<'scripted'> {
  return {
    models: {
      small: { provider: 'scripted', model: 'deep', aliases: ['short'] },
      other: { provider: 'scripted' },
    },
    access: { allowed_users: ['any'] },
    ...(rate_limit_settings && { rate_limit_settings }),
    ...more,
  }
}

/** A gateway with these limits, and `whole()` as the provider's response to everything that is not scripted. */
export async function startLimited(
  t: Cleanup,
  limits: Limits,
  more: Setup<'scripted'> = {},
  options: Options = {},
): Promise<Limited> {
  const clock = new FakeClock()
  const running = await startGateway(t, limited(limits, more), { clock, ...options })
  running.upstream.respondAlways(whole())
  return Object.assign(running, { clock })
}
