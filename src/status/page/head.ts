// The head of the page: whether the gateway serves, since when, and with which configuration.
import type { VNode } from 'preact'
import type { StatusReport } from '../status-report.ts'
import { box, h } from './element.ts'
import type { Link } from './feed.ts'
import { duration, time, zone } from './format.ts'
import { code, facts, state } from './parts.ts'

const sections = {
  calls: 'Under way',
  providers: 'Providers',
  limits: 'Limits',
  usage: 'Usage',
  recent: 'Last calls',
  failures: 'Failures',
  route: 'Names',
}

export function head(report: StatusReport | undefined, link: Link): VNode {
  const entries = Object.entries({
    ...sections,
    ...(report?.services.length ? { services: 'Services' } : {}),
    ...(report?.viewer.playground ? { try: 'Try it' } : {}),
  })
  return h(
    'header',
    null,
    box(
      'div',
      'head',
      h('h1', null, 'llm-gateway ', h('small', null, report?.version)),
      h('p', { role: 'status' }, state(link)),
    ),
    h(
      'nav',
      { 'aria-label': 'Sections' },
      entries.map(([id, name]) => h('a', { key: id, href: `#${id}` }, name)),
    ),
  )
}

/** @param lostAt since when the gateway cannot be reached; empty: it can. */
export function surroundings(report: StatusReport, lostAt: string): VNode {
  const { draining, started_at, now, config_file, workers, reload, viewer } = report
  const { wanted, running } = workers
  return h(
    'section',
    { class: 'surroundings', 'aria-label': 'The gateway' },
    facts(
      [
        'State',
        lostAt
          ? state('bad', `unreachable since ${time(lostAt)}`)
          : draining
            ? state('warn', 'draining')
            : state('good', 'serving'),
      ],
      ['Up', !lostAt && duration(Date.parse(now) - Date.parse(started_at))],
      ['Configuration', code(config_file)],
      [
        'Last reload',
        reload === null
          ? 'none since the start'
          : state(reload.ok ? 'good' : 'bad', `${reload.ok ? 'applied' : 'rejected'} ${time(reload.at)}`),
      ],
      ['Workers', wanted > 1 && state(running < wanted ? 'bad' : 'good', `${running} of ${wanted}`)],
      ['You', viewer.user],
      ['Times', zone],
    ),
  )
}
