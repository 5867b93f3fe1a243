import assert from 'node:assert/strict'
import { test } from 'node:test'

import { checkProviders } from '../../src/app/check-providers.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { until } from '../support/deadline.ts'
import { at } from '../support/gateway-config.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'
import { configOf, KeptEvents } from './asked-provider.ts'

test('a server that is started when it is called need not run at the start', async (t) => {
  const url = await refusingUrl(t)
  const events = new KeptEvents()
  const config = configOf(t, {
    providers: { demanded: at({ url }, { service: { unit: 'demanded.service' } }), other: at({ url }) },
  })
  checkProviders({ events }, config, systemClock)
  await until(() => events.all.length > 0, 'the check of the other one')
  assert.deepEqual(
    events.all.map((event) => ('provider' in event ? [event.provider, event.kind] : event.kind)),
    [['other', 'provider_checked']],
  )
})
