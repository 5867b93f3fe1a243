// The form of messages for each service: within its bounds, and so that a name addresses nobody.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { notifySinkKinds, type NotifySinkKind } from '../../../src/config/observe-types.ts'
import { messageOf } from '../../../src/observe/alerts/forms.ts'
import type { Notice } from '../../../src/observe/alerts/notice.ts'

const sender = { host: 'box' }
const notice: Notice = {
  kind: 'firing',
  rule: 'ProviderAuth',
  subject: 'openai',
  severity: 'critical',
  at: '2026-11-28T10:05:00.000Z',
  since: '2026-11-28T10:00:00.000Z',
  what: "The provider openai refuses the gateway's key.",
  why: '3 attempts were answered with status 401 or 403 in 15 min.',
  fix: 'Replace the key of provider openai and reload the gateway, or restart it if the key is in its environment; llm-gateway doctor --provider openai checks it.',
}
const over: Notice = { ...notice, kind: 'recovered', why: 'It lasted 5 min.', fix: '' }

function form(kind: NotifySinkKind, notices: readonly Notice[] = [notice], unshown = 0) {
  const url = kind === 'ntfy' ? 'https://ntfy.example/base/topic-1' : 'https://hooks.example/a'
  return messageOf({ notices, unshown }, { kind, url, token: 'token-1' }, sender)
}

test('Slack receives text without markup', () => {
  assert.deepEqual(form('slack'), {
    url: 'https://hooks.example/a',
    body: {
      text: [
        "Critical: The provider openai refuses the gateway's key. (box)",
        '3 attempts were answered with status 401 or 403 in 15 min.',
        'Since 2026-11-28T10:00:00Z (for 5 min).',
        'To do: Replace the key of provider openai and reload the gateway, or restart it if the key is in its environment; llm-gateway doctor --provider openai checks it.',
      ].join('\n'),
      mrkdwn: false,
      unfurl_links: false,
      unfurl_media: false,
    },
  })
})

test('ntfy receives JSON at the root of its server, with the topic in it', () => {
  const { url, body, token } = form('ntfy')
  assert.equal(url, 'https://ntfy.example/base/')
  assert.equal(token, 'token-1')
  const { topic, title, priority, tags } = body as Record<string, unknown>
  assert.deepEqual(
    { topic, title, priority, tags },
    {
      topic: 'topic-1',
      title: "Critical: The provider openai refuses the gateway's key. (box)",
      priority: 5,
      tags: ['rotating_light'],
    },
  )
  assert.equal((form('ntfy', [over]).body as { priority: number }).priority, 3)
})

test('PagerDuty receives a trigger and a resolution with the same key', () => {
  const trigger = form('pagerduty').body as Record<string, unknown>
  const resolution = form('pagerduty', [over]).body as Record<string, unknown>
  assert.deepEqual(resolution, {
    routing_key: 'token-1',
    dedup_key: 'llm-gateway/box/ProviderAuth/openai',
    event_action: 'resolve',
  })
  assert.equal(trigger['event_action'], 'trigger')
  assert.equal(trigger['dedup_key'], resolution['dedup_key'])
  assert.deepEqual(trigger['payload'], {
    summary: "Critical: The provider openai refuses the gateway's key.",
    source: 'box',
    severity: 'critical',
    timestamp: notice.at,
    component: 'openai',
    group: 'llm-gateway',
    class: 'ProviderAuth',
    custom_details: { since: notice.since, why: notice.why, to_do: notice.fix },
  })
})

test('Alertmanager receives alerts, which end with a time of their end', () => {
  const { url, body } = form('alertmanager', [notice, over])
  assert.equal(url, 'https://hooks.example/a/api/v2/alerts')
  const [firing, ended] = body as Record<string, object>[]
  assert.deepEqual(firing?.['labels'], {
    alertname: 'LlmGatewayProviderAuth',
    severity: 'critical',
    job: 'llm-gateway',
    instance: 'box',
    provider: 'openai',
  })
  assert.deepEqual(ended?.['labels'], firing?.['labels'])
  assert.equal(firing?.['endsAt'], undefined)
  assert.equal(ended?.['endsAt'], notice.at)
})

test('a webhook receives the notices as they are', () => {
  assert.deepEqual(form('webhook', [notice, over], 2).body, {
    version: 1,
    gateway: 'llm-gateway',
    host: 'box',
    unshown: 2,
    notices: [notice, over],
  })
})

test('more than three notices are a list of one line each', () => {
  const many = Array.from({ length: 30 }, (_, index) => ({ ...notice, what: `Condition ${index}.` }))
  const { text } = form('slack', many, 5).body as { text: string }
  const lines = text.split('\n')
  assert.equal(lines[0], '35 changes at the gateway of box')
  assert.equal(lines[1], '- Critical: Condition 0.')
  assert.equal(lines.length, 22)
  assert.match(lines.at(-1)!, /^and 15 more/)
})

suite('hostile names', () => {
  const hostile = `<!channel> @everyone <https://evil.example|click> & **x** \`y\` [a](http://evil.example) ${'&<😀é'.repeat(2_000)}`
  const bad = { ...notice, subject: hostile, what: hostile, why: hostile, fix: hostile }
  for (const kind of notifySinkKinds) {
    test(`stay within the bounds of ${kind}`, () => {
      const { body } = form(kind, [bad, bad, bad])
      const text = JSON.stringify(body)
      assert.doesNotMatch(text, /[\ud800-\udbff](?![\udc00-\udfff])/)
      const limits = {
        slack: () => assert.ok((body as { text: string }).text.length <= 3_000),
        discord: () => assert.ok((body as { content: string }).content.length <= 2_000),
        ntfy: () => assert.ok(Buffer.byteLength((body as { message: string }).message) <= 4_096),
        pagerduty() {
          const { dedup_key: key, payload } = body as { dedup_key: string; payload: Record<string, string> }
          assert.ok(key.length <= 255)
          assert.ok(payload['summary']!.length <= 1_024)
        },
        webhook: () => {},
        alertmanager: () => assert.ok((body as object[]).length === 3),
      }
      limits[kind]()
    })
  }

  test('are escaped for Slack and Discord', () => {
    const slack = (form('slack', [bad]).body as { text: string }).text
    assert.doesNotMatch(slack, /[<>]|&(?!amp;|lt;|gt;)/)
    const discord = form('discord', [bad]).body as { content: string; allowed_mentions: object }
    assert.doesNotMatch(discord.content, /(?<!\\)[*_`~<@[\]()]/)
    assert.deepEqual(discord.allowed_mentions, { parse: [] })
  })
})
