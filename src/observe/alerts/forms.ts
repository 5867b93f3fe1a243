// Messages in the form of each service: what its API documents, within its bounds, and so escaped that a name cannot address
// anybody or become a link.
import { createHash } from 'node:crypto'
import type { NotifySinkKind } from '../../config/observe-types.ts'
import { bounded } from '../../platform/bounded-text.ts'
import type { Severity } from './attention.ts'
import type { Notice } from './notice.ts'
import { labelOf } from './rules.ts'
import { headOf, type Sender, type Wording, wordingOf } from './wording.ts'

/** What is sent in one message. */
export interface Batch {
  /** At least one. */
  readonly notices: readonly Notice[]
  /** How many more were given up. */
  readonly unshown: number
}

export interface Destination {
  readonly kind: NotifySinkKind
  readonly url: string
  readonly token: string | undefined
}

/** A POST of JSON. */
export interface Message {
  readonly url: string
  readonly body: unknown
  /** Of `authorization: Bearer`. */
  readonly token?: string | undefined
}

/** Whether the service keeps the state of each condition by itself, and so receives each notice alone. */
export function isStateful(kind: NotifySinkKind): boolean {
  return kind === 'pagerduty' || kind === 'alertmanager'
}

export function messageOf(batch: Batch, { kind, url, token }: Destination, sender: Sender): Message {
  switch (kind) {
    case 'slack':
      return { url, body: slackBody(wordingOf(batch.notices, batch.unshown, sender)) }
    case 'discord':
      return { url, body: discordBody(wordingOf(batch.notices, batch.unshown, sender)) }
    case 'ntfy':
      return ntfyMessage(wordingOf(batch.notices, batch.unshown, sender), url, token)
    case 'pagerduty':
      return { url, body: pagerDutyBody(batch.notices[0]!, token ?? '', sender) }
    case 'webhook':
      return { url, body: webhookBody(batch, sender), token }
    case 'alertmanager':
      return { url: alertsUrl(url), body: alertsBody(batch.notices, sender), token }
    default:
      return kind satisfies never
  }
}

/** https://docs.slack.dev/messaging/formatting-message-text: without markup, and with the three escapes that there are. */
function slackBody({ title, lines }: Wording): object {
  const escaped = (text: string) =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const text = fitted([title, ...lines].join('\n'), escaped, 3_000)
  return { text, mrkdwn: false, unfurl_links: false, unfurl_media: false }
}

/** https://discord.com/developers/docs/resources/webhook: `content` has at most 2,000 characters. */
function discordBody({ title, lines }: Wording): object {
  const escaped = (text: string) => text.replaceAll(/[\\*_~`|>#[\]()<@]/g, '\\$&')
  const content = fitted([title, ...lines].join('\n'), escaped, 2_000)
  const suppressEmbeds = 4
  return { content, allowed_mentions: { parse: [] }, flags: suppressEmbeds }
}

/** https://docs.ntfy.sh/publish/#publish-as-json: to the root of the server; a message of more than 4,096 bytes becomes a file. */
function ntfyMessage(wording: Wording, text: string, token: string | undefined): Message {
  const url = new URL(text)
  const topic = url.pathname.split('/').findLast((part) => part !== '') ?? ''
  const body = {
    topic,
    title: lineBounded(wording.title, 200),
    message: lineBounded(wording.lines.join('\n'), 1_300),
    priority: wording.isRecovery ? 3 : ntfyPriorities[wording.severity],
    tags: [wording.isRecovery ? 'white_check_mark' : ntfyTags[wording.severity]],
  }
  url.pathname = url.pathname.replace(/[^/]+\/*$/, '')
  return { url: url.href, body, token }
}

const ntfyPriorities: Readonly<Record<Severity, number>> = { critical: 5, warning: 4, info: 2 }
const ntfyTags: Readonly<Record<Severity, string>> = {
  critical: 'rotating_light',
  warning: 'warning',
  info: 'information_source',
}

/** https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ */
function pagerDutyBody(notice: Notice, routingKey: string, { host }: Sender): object {
  const { kind, rule, subject, severity, at, since, why, fix } = notice
  const isOver = kind === 'recovered'
  const dedupKey = boundedKey(`llm-gateway/${host}/${rule}/${subject}`, 255)
  const event = { routing_key: routingKey, dedup_key: dedupKey }
  if (isOver) return { ...event, event_action: 'resolve' }
  return {
    ...event,
    event_action: 'trigger',
    client: 'llm-gateway',
    payload: {
      summary: bounded(headOf(notice), 1_024),
      source: bounded(host, 255),
      severity,
      timestamp: at,
      component: bounded(subject, 255),
      group: 'llm-gateway',
      class: rule,
      custom_details: { since, why, to_do: fix },
    },
  }
}

/** The same text for the same condition, also if it is too long. */
function boundedKey(text: string, max: number): string {
  if (text.length <= max) return text
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 32)
  return `${text.slice(0, max - digest.length - 1)}/${digest}`
}

function webhookBody({ notices, unshown }: Batch, { host }: Sender): object {
  return { version: 1, gateway: 'llm-gateway', host, unshown, notices }
}

/** Its API is version 2, below the address that people know. */
function alertsUrl(text: string): string {
  const base = text.replace(/\/+$/, '')
  return base.endsWith('/api/v2/alerts') ? base : `${base}/api/v2/alerts`
}

/** https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml: an alert is the same while its labels are, which are those of `config/examples/prometheus-rules.yml`. */
function alertsBody(notices: readonly Notice[], { host }: Sender): object[] {
  return notices.map(({ kind, rule, subject, severity, at, since, what, why, fix }) => ({
    labels: {
      alertname: `LlmGateway${rule}`,
      severity,
      job: 'llm-gateway',
      instance: host,
      [labelOf(rule)]: bounded(subject, 200),
    },
    annotations: { summary: what, description: [why, fix].filter((text) => text !== '').join(' ') },
    startsAt: since,
    ...(kind === 'recovered' && { endsAt: at }),
  }))
}

/** Cut before it is escaped, so that no escape is cut. */
function fitted(text: string, escaped: (text: string) => string, max: number): string {
  let shown = lineBounded(text, max)
  while (escaped(shown).length > max) shown = lineBounded(shown, Math.floor(shown.length * 0.9))
  return escaped(shown)
}

/** As `bounded`, line by line. */
function lineBounded(text: string, max: number): string {
  const lines: string[] = []
  let left = max
  for (const line of text.split('\n')) {
    if (left <= 1) break
    const shown = bounded(line, left)
    lines.push(shown)
    left -= shown.length + 1
  }
  return lines.join('\n')
}
