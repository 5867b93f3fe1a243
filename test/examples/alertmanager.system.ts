// A real Alertmanager with the example file, of which only waiting times, secrets' files and addresses are replaced.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { type Alert, startAlertmanager } from './alertmanager.ts'

const auth: Alert = {
  labels: {
    alertname: 'LlmGatewayProviderAuth',
    job: 'llm-gateway',
    provider: 'openai',
    severity: 'critical',
  },
  annotations: { summary: 'Provider openai refuses the key.', description: 'Set a valid key.' },
}
const errors = (model: string): Alert => ({
  labels: { alertname: 'LlmGatewayErrorRate', job: 'llm-gateway', model, severity: 'warning' },
  annotations: { summary: `20% of the calls to ${model} fail.`, description: 'Look at /status.' },
})

suite('Alertmanager', { skip: missing('prometheus-alertmanager') }, () => {
  test('pages for a critical alert and writes it to the team, at its end too', async (t) => {
    const { post, pager, team } = await startAlertmanager(t)
    await post([auth])
    await until(() => pager.length === 1 && team.length === 1, 'both messages')
    assert.partialDeepStrictEqual(JSON.parse(pager[0]!), {
      routing_key: 'routing-key',
      event_action: 'trigger',
      payload: {
        summary: 'LlmGatewayProviderAuth: Provider openai refuses the key.',
        severity: 'critical',
        custom_details: { description: 'Set a valid key.', firing: '1' },
      },
    })
    assert.match(team[0]!, /FIRING: LlmGatewayProviderAuth/)
    await post([auth], { isOver: true })
    await until(() => pager.length === 2 && team.length === 2, 'both ends')
    const [begun, ended] = pager.map((body) => JSON.parse(body) as Record<string, unknown>)
    assert.equal(ended!['event_action'], 'resolve')
    assert.equal(ended!['dedup_key'], begun!['dedup_key'])
    assert.match(team[1]!, /RESOLVED: LlmGatewayProviderAuth/)
  })

  test('writes a warning to the team only, one message for each group', async (t) => {
    const { post, pager, team } = await startAlertmanager(t)
    const second = { ...errors('gpt'), labels: { ...errors('gpt').labels, instance: 'localhost:4001' } }
    await post([errors('gpt'), second, errors('qwen')])
    await until(() => team.length === 2, 'the messages of two models')
    assert.deepEqual(pager, [])
    const ofGpt = team.find((body) => body.includes('calls to gpt'))
    assert.equal(ofGpt?.split('calls to gpt').length, 3, 'both alerts are in one message')
  })

  test('lets no name of a model page a channel or disguise a link', async (t) => {
    const { post, team } = await startAlertmanager(t)
    await post([errors('ollama/<!channel> & <https://evil.example|docs>')])
    await until(() => team.length === 1, 'the message')
    const { text } = (JSON.parse(team[0]!) as { readonly attachments: readonly { readonly text: string }[] })
      .attachments[0]!
    assert.match(text, /calls to ollama\/!channel/)
    assert.doesNotMatch(text, /[<>&]/)
  })

  test('is silent about the rest while the gateway is away, and about what is information', async (t) => {
    const { post, pager, team } = await startAlertmanager(t)
    const down: Alert = {
      labels: { alertname: 'LlmGatewayDown', job: 'llm-gateway', severity: 'critical' },
      annotations: { summary: 'It does not answer.', description: 'Start it.' },
    }
    const info: Alert = {
      ...auth,
      labels: { ...auth.labels, alertname: 'LlmGatewayKeyOld', severity: 'info' },
    }
    const watchdog: Alert = { ...auth, labels: { alertname: 'LlmGatewayWatchdog', severity: 'none' } }
    await post([down])
    await until(() => pager.length === 1 && team.length === 1, 'both messages')
    await post([errors('gpt'), info, watchdog])
    // What the others would have led to comes before this one, which is about another group and later.
    await post([{ ...down, labels: { ...down.labels, job: 'other', alertname: 'OtherAlert' } }])
    await until(() => team.length === 2, 'the message of the other alert')
    assert.doesNotMatch(team.join(), /ErrorRate|KeyOld|Watchdog/)
  })
})
