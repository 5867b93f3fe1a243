// The status page: one stream of events in, the sections out.
import { render, type VNode } from 'preact'
import type { StatusReport } from '../status-report.ts'
import { attentionSection } from './attention.ts'
import { callsSection } from './calls.ts'
import { h } from './element.ts'
import { feedTo, type Link } from './feed.ts'
import { head, surroundings } from './head.ts'
import { limitsSection } from './limits.ts'
import { empty } from './parts.ts'
import { Playground } from './playground.ts'
import { providersSection } from './providers.ts'
import { failuresSection, Recent } from './recent.ts'
import { listModels } from './requests.ts'
import { Route } from './route.ts'
import { servicesSection } from './services.ts'
import { type Days, usageSection } from './usage.ts'

interface Seen {
  readonly report: StatusReport | undefined
  readonly link: Link
  /** ISO 8601: since when the gateway cannot be reached; empty: it can. */
  readonly lostAt: string
  readonly models: readonly string[]
  readonly days: Days
}

function page({ report, link, lostAt, models, days }: Seen): VNode {
  return h(
    'div',
    { class: lostAt && 'stale' },
    head(report, link),
    h(
      'main',
      null,
      report === undefined
        ? empty(lostAt ? 'The gateway does not answer. The page tries again by itself.' : 'Loading')
        : [
            surroundings(report, lostAt),
            attentionSection(report),
            callsSection(report),
            providersSection(report),
            servicesSection(report),
            limitsSection(report),
            usageSection(report.usage, days, chooseDays),
            h(Recent, { report }),
            failuresSection(report),
            h(Route, { models }),
            report.viewer.playground && h(Playground, { recent: report.recent, models }),
          ],
    ),
  )
}

const place = document.querySelector('#page')!
let seen: Seen = { report: undefined, link: 'opening', lostAt: '', models: [], days: '7' }

function show(change: Partial<Seen>): void {
  seen = { ...seen, ...change }
  const urgent = seen.report?.attention.filter(({ severity }) => severity !== 'info').length ?? 0
  document.title = `${urgent > 0 ? `(${urgent}) ` : ''}llm-gateway`
  render(page(seen), place)
}

function follow(link: Link, report = seen.report): void {
  if (report !== seen.report) show({ report })
  if (link === seen.link) return
  const isUp = link === 'live' || link === 'asking'
  show({ link, lostAt: isUp ? '' : seen.lostAt || new Date().toISOString() })
  if (isUp) void listModels().then((models) => show({ models }))
}

function chooseDays(days: Days): void {
  show({ days })
  feed.open(days)
}

const feed = feedTo(follow, seen.days)

// What stood there while the script was loading.
place.replaceChildren()
show({})
feed.open()
document.addEventListener('visibilitychange', () => {
  if (document.hidden) feed.close()
  else feed.open()
})
