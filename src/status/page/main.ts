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

/** Without a connection, what the page shows counts as old after this many milliseconds. */
const staleMs = 5000

interface Seen {
  readonly report: StatusReport | undefined
  readonly link: Link
  readonly isStale: boolean
  readonly models: readonly string[]
  readonly days: Days
}

function page({ report, link, isStale, models, days }: Seen): VNode {
  return h(
    'div',
    { class: isStale ? 'stale' : '' },
    head(report, link),
    h(
      'main',
      null,
      report === undefined
        ? empty(isStale ? 'The gateway does not answer. The page tries again by itself.' : 'Loading')
        : [
            surroundings(report),
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
let seen: Seen = { report: undefined, link: 'opening', isStale: false, models: [], days: '7' }
let staleTimer = 0

function show(change: Partial<Seen>): void {
  seen = { ...seen, ...change }
  const urgent = seen.report?.attention.filter(({ severity }) => severity !== 'info').length ?? 0
  document.title = `${urgent > 0 ? `(${urgent}) ` : ''}llm-gateway`
  render(page(seen), place)
}

function follow(link: Link, report = seen.report): void {
  if (report !== seen.report) show({ report })
  if (link === seen.link) return
  show({ link })
  clearTimeout(staleTimer)
  if (link === 'live' || link === 'asking') {
    show({ isStale: false })
    void listModels().then((models) => show({ models }))
  } else staleTimer = setTimeout(() => show({ isStale: true }), staleMs)
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
