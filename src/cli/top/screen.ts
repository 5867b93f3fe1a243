// What `top` draws. Pure: the same state makes the same lines.
import { durationText } from '../../platform/duration.ts'
import { displayWidth, type Style } from '../output.ts'
import { callCells, callsHead, callsNumbersFrom, shortDuration, shortIds } from '../running-calls.ts'
import { tableLines } from '../table.ts'
import { type Choice, noChoice, selectedIndex } from './keys.ts'
import type { ShownAttention, ShownProvider, ShownService, TopReport } from './report.ts'

export interface TopState {
  readonly report: TopReport
  /** Undefined: it is only printed, and nobody can choose. */
  readonly choice: Choice | undefined
  /** Why the report is not of now. Undefined: it is. */
  readonly trouble: string | undefined
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

/** A line as it is drawn: its text is cut to the width before it gets its style. */
export interface Line {
  readonly text: string
  readonly style?: Style
}

/** The least that a section with calls keeps on a small terminal. */
const minCallRows = 3
/** The least that conditions get on a small terminal. */
const minAttentionRows = 5
/** So that one long name does not push all others out of sight. */
const maxCellColumns = 32
/** What a call waits for may have two names in it. */
const maxPhaseColumns = 64

/** At most as many lines as the size has rows, each at most as wide. The last one is the foot. */
export function drawScreen(state: TopState, { columns, rows }: Size): Line[] {
  const { choice } = state
  const foot = footOf(choice ?? noChoice, state.trouble)
  const body = choice?.mode === 'help' ? helpLines : sections(state, rows - 3, columns)
  const lines: Line[] = [headOf(state), { text: '' }, ...body]
  const visible = lines.slice(0, Math.max(0, rows - 1))
  // The foot stays at the bottom, so that it does not move while calls come and go.
  while (visible.length < rows - 1) visible.push({ text: '' })
  return [...visible, foot]
    .slice(-rows)
    .map(({ text, style }) => ({ text: fit(text, columns), ...(style && { style }) }))
}

/** All of it, once, for a reader that is no terminal. */
export function drawOnce(report: TopReport, columns: number): Line[] {
  const state: TopState = { report, choice: undefined, trouble: undefined }
  const lines = [headOf(state), { text: '' }, ...sections(state, Infinity, columns)]
  return lines.map(({ text, style }) => ({ text: fit(text, columns).trimEnd(), ...(style && { style }) }))
}

function headOf({ report, trouble }: TopState): Line {
  const { version, startedAtMs, nowMs, isDraining, calls, callsUnshown } = report
  const upMs = startedAtMs === undefined || nowMs === undefined ? undefined : nowMs - startedAtMs
  const inLine = calls.filter(({ phase }) => phase === 'in_line').length
  const starting = calls.filter(({ phase }) => phase === 'starting').length
  const count = calls.length + callsUnshown
  const parts = [
    version === '' ? 'llm-gateway' : `llm-gateway ${version}`,
    upMs === undefined ? '' : `up ${durationText(upMs)}`,
    isDraining ? 'stopping' : '',
    `${count} ${count === 1 ? 'call' : 'calls'} under way${inLine > 0 ? `, ${inLine} in line` : ''}${starting > 0 ? `, ${starting} waiting for a server` : ''}`,
  ]
  const text = parts.filter(Boolean).join(' · ')
  return trouble === undefined ? { text, style: 'bold' } : { text: `${text} · not up to date`, style: 'red' }
}

function footOf({ mode, notice }: Choice, trouble: string | undefined): Line {
  if (trouble !== undefined) return { text: trouble, style: 'red' }
  if (typeof mode === 'object') {
    const { id, client, model } = mode.call
    return {
      text: `Cancel ${id} of ${client}${model === null ? '' : ` (${model})`}? y: yes, any other key: no`,
      style: 'yellow',
    }
  }
  if (notice !== undefined) return { text: notice, style: 'yellow' }
  return { text: 'q quit · ↑ ↓ select · c cancel · ? help', style: 'dim' }
}

const helpLines: readonly Line[] = [
  { text: 'Keys', style: 'bold' },
  { text: '  ↑ k   ↓ j     select the call above, below' },
  { text: '  g   G         select the first call, the last one' },
  { text: '  c             cancel the selected call, once y has confirmed it' },
  { text: '  ?   h         show or leave this help' },
  { text: '  q   Ctrl-C    quit' },
  { text: '' },
  { text: 'Phases', style: 'bold' },
  { text: '  reading       the request is read, and its model looked up' },
  { text: '  in line       it waits for the limits of its model' },
  { text: '  waiting for … its server has to start, or others of its group have the turn' },
  { text: '  connecting    a connection to the provider is made, or the next attempt has not begun' },
  { text: '  waiting       the provider has the request, and nothing of an answer has come' },
  { text: '  streaming     events arrive; tok/s is of the last seconds' },
  { text: '  whole         a response that is not a stream arrives' },
]

/** @param room lines. What it has besides those of calls and providers tells the conditions in full. */
function sections(state: TopState, room: number, columns: number): Line[] {
  const { attention = [], calls, providers, services, nowMs } = state.report
  const wanted = providers === undefined ? [] : providerLines(providers, nowMs)
  wanted.push(...serviceLines(services))
  const forAttention = room - wanted.length - Math.max(1, calls.length + 1) - 4
  const above = attentionLines(attention, Math.max(minAttentionRows, forAttention), columns, nowMs)
  const forCalls = Math.max(minCallRows, room - above.length - wanted.length - 2)
  return [...above, ...callLines(state, forCalls), ...wanted]
}

/** @param room lines, without the heading. */
function attentionLines(
  attention: readonly ShownAttention[],
  room: number,
  columns: number,
  nowMs = 0,
): Line[] {
  if (attention.length === 0) return []
  const shown = attention.slice(0, attention.length > room ? room - 1 : room)
  const unshown = attention.length - shown.length
  let spare = room - shown.length - Math.min(unshown, 1)
  const lines = shown.flatMap((each): Line[] => {
    const { severity, what, fix } = each
    const style = severity === 'critical' ? 'red' : severity === 'warning' ? 'yellow' : undefined
    const texts = wrap(`${labelOf(each, nowMs)}: ${what} ${fix}`.trimEnd(), columns - 4, spare + 1)
    spare -= texts.length - 1
    return texts.map((text, at) => ({ text: `${at === 0 ? '  ' : '    '}${text}`, ...(style && { style }) }))
  })
  const more = unshown > 0 ? [{ text: `  and ${unshown} more` }] : []
  return [{ text: 'Needs attention', style: 'bold' }, ...lines, ...more, { text: '' }]
}

/** Breaks a text between words into at most so many lines, of which the last has all the rest. */
function wrap(text: string, columns: number, most: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && lines.length < most - 1 && displayWidth(longer) > columns) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}

/** `critical (pending) for 2 min`, `last failed call 2 min ago`. */
function labelOf({ severity, isCall, isPending, sinceMs }: ShownAttention, nowMs: number): string {
  const lasts = sinceMs === undefined ? undefined : durationText(nowMs - sinceMs)
  if (isCall) return `last failed call${lasts === undefined ? '' : ` ${lasts} ago`}`
  return `${severity}${isPending ? ' (pending)' : ''}${lasts === undefined ? '' : ` for ${lasts}`}`
}

/** @param room lines, the headings included. */
function callLines({ report, choice }: TopState, room: number): Line[] {
  const { calls, callsUnshown } = report
  const heading: Line = { text: 'Calls under way', style: 'bold' }
  if (calls.length === 0) return [heading, { text: '  none' }, { text: '' }]
  const ids = shortIds(calls.map(({ id }) => id))
  const rows = calls.map((call, index) =>
    callCells(call, ids[index]!).map((cell, column) =>
      fit(cell, callsHead[column] === 'phase' ? maxPhaseColumns : maxCellColumns),
    ),
  )
  const [head, ...lines] = tableLines({ head: callsHead, rows, numbersFrom: callsNumbersFrom })
  const fits = Math.max(1, room - 4)
  const index = choice === undefined ? -1 : selectedIndex(choice, calls)
  const last = Math.max(0, lines.length - fits)
  const from = Math.max(0, Math.min(index - Math.floor(fits / 2), last))
  const visible = lines.slice(from, from + fits).map((text, offset): Line => {
    const isSelected = from + offset === index
    return { text: `${isSelected ? '>' : ' '} ${text}`, ...(isSelected && { style: 'inverse' }) }
  })
  const unshown = calls.length - visible.length + callsUnshown
  const more = unshown > 0 ? `  and ${unshown} more` : ''
  return [
    heading,
    { text: `  ${head}`, style: 'dim' },
    ...visible,
    ...(more === '' ? [] : [{ text: more }]),
    { text: '' },
  ]
}

const providersHead = ['name', 'state', 'calls', 'first', 'tok/s', 'trouble']

function providerLines(providers: readonly ShownProvider[], nowMs = 0): Line[] {
  const rows = providers.map((provider) => {
    const { name, state, inFlight, maxParallel, firstTokenMs, tokensPerSecond } = provider
    return [
      fit(name, maxCellColumns),
      state,
      maxParallel === undefined ? String(inFlight) : `${inFlight}/${maxParallel}`,
      firstTokenMs === undefined ? '-' : shortDuration(firstTokenMs),
      tokensPerSecond === undefined ? '-' : tokensPerSecond.toFixed(1),
      troubleOf(provider, nowMs),
    ]
  })
  if (rows.length === 0) return []
  const [head, ...lines] = tableLines({ head: providersHead, rows })
  const styleOf = (state: string) => (state === 'unwell' ? 'red' : state === 'cooling' ? 'yellow' : undefined)
  return [
    { text: 'Providers', style: 'bold' },
    { text: `  ${head}`, style: 'dim' },
    ...lines.map((text, index): Line => {
      const style = styleOf(providers[index]!.state)
      return { text: `  ${text}`, ...(style && { style }) }
    }),
  ]
}

function serviceLines(services: readonly ShownService[]): Line[] {
  if (services.length === 0) return []
  const texts = services.map(({ provider, state, waiting }) => {
    return `${fit(provider, maxCellColumns)} ${state}${waiting > 0 ? ` (${waiting} waiting)` : ''}`
  })
  return [{ text: '' }, { text: `Services: ${texts.join(', ')}` }]
}

function troubleOf({ trouble, reason, reasonAtMs, untilMs }: ShownProvider, nowMs: number): string {
  if (trouble === '') {
    if (reason === '' || reasonAtMs === undefined) return ''
    return `last failure ${durationText(nowMs - reasonAtMs)} ago: ${reason}`
  }
  const until = untilMs === undefined ? '' : `, for ${durationText(untilMs - nowMs)} more`
  return `${trouble.replaceAll('_', ' ')}${until}${reason === '' ? '' : `: ${reason}`}`
}

const segments = new Intl.Segmenter()

/** Cuts a line to the width of a terminal, at the boundary of a character as people see it. */
function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  let cut = ''
  let width = 0
  for (const { segment } of segments.segment(text)) {
    width += displayWidth(segment)
    if (width > columns - 1) break
    cut += segment
  }
  return columns > 0 ? `${cut}…` : ''
}
