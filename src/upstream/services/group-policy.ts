// Which member of a group runs next, and which one makes room for it. Pure: what is so goes in, what is to be done comes out.
import type { ServiceGroupConfig } from '../../config/service-types.ts'

/** One member as it stands. */
export interface Member {
  /** Of its unit: a provider may have another one after a reload, beside that of before. */
  readonly name: string
  readonly isKept: boolean
  /** Its unit runs, starts or stops, or is about to. */
  readonly holdsPlace: boolean
  /** Its place becomes free by itself: it drains or stops. */
  readonly isLeaving: boolean
  /** It drains for others, so that it can go on if they do not want its place any more. */
  readonly drainsForOthers: boolean
  /** Of one that is ready or drains, in milliseconds of the monotonic clock, as are all times. */
  readonly readySinceMs: number | undefined
  readonly visits: number
  readonly lastCallEndedMs: number | undefined
  /** After a stop that was refused it is not stopped before. */
  readonly mayStopAtMs: number
}

/** A member that calls wait for. */
export interface Wanted {
  readonly name: string
  /** Its unit is down, and nothing else is under way. */
  readonly canStart: boolean
}

export interface Plan {
  readonly starts: readonly string[]
  readonly stops: readonly string[]
  readonly drains: readonly string[]
  /** They drain no longer. */
  readonly resumes: readonly string[]
  /** When there is more to do, whatever happens until then. Infinity: never. */
  readonly nextMs: number
}

type GroupLimits = Pick<ServiceGroupConfig, 'running' | 'minRunMs' | 'maxRunMs'>

/** Between two calls of an agent's loop its server still has a caller, for so long. */
const callerGraceMs = 1000

/** @param wanted in the order of their turns, each once. */
export function planGroup(
  limits: GroupLimits,
  members: readonly Member[],
  wanted: readonly Wanted[],
  nowMs: number,
): Plan {
  const [starts, stops, drains]: [string[], string[], string[]] = [[], [], []]
  let room = limits.running - members.filter((each) => each.holdsPlace).length
  let free = room + members.filter((each) => each.isLeaving).length
  const resumes = resumed(members, wanted, free)
  free -= resumes.length
  const candidates = members
    .filter((each) => each.readySinceMs !== undefined && !each.isLeaving && !each.isKept)
    .sort((one, other) => one.readySinceMs! - other.readySinceMs!)
  const makeFree = (count: number): boolean => {
    while (free < count) {
      const victim = pickVictim(limits, candidates, nowMs)
      if (victim === undefined) return false
      candidates.splice(candidates.indexOf(victim), 1)
      if (victim.visits === 0) stops.push(victim.name)
      else drains.push(victim.name)
      free += 1
    }
    return true
  }
  const untilNextChance = (): Plan => {
    const nextMs = Math.min(...candidates.map((each) => nextChance(limits, each, nowMs)))
    return { starts, stops, drains, resumes, nextMs }
  }
  // More run than may, after a reload or because somebody else has started one.
  if (!makeFree(0)) return untilNextChance()
  for (const { name, canStart } of wanted) {
    if (resumes.includes(name)) continue
    if (!makeFree(1)) return untilNextChance()
    free -= 1
    if (!canStart || room < 1) continue
    room -= 1
    starts.push(name)
  }
  return { starts, stops, drains, resumes, nextMs: Infinity }
}

/** The youngest first: of several, the one that has run longest goes. */
function resumed(members: readonly Member[], wanted: readonly Wanted[], free: number): readonly string[] {
  const draining = members.filter((each) => each.drainsForOthers)
  const needed = wanted.filter(({ name }) => draining.every((each) => each.name !== name)).length
  return draining
    .sort((one, other) => other.readySinceMs! - one.readySinceMs!)
    .slice(0, Math.max(0, free - needed))
    .map(({ name }) => name)
}

/** One that may go at once before one that has to drain; of several, the one that has run longest. */
function pickVictim(limits: GroupLimits, candidates: readonly Member[], nowMs: number): Member | undefined {
  const willing = candidates.filter(({ mayStopAtMs }) => mayStopAtMs <= nowMs)
  const atOnce = willing.find((each) => each.visits === 0 && nowMs >= leavableAtMs(limits, each))
  return atOnce ?? willing.find(({ readySinceMs }) => nowMs >= readySinceMs! + limits.maxRunMs)
}

/** From when on it may go at a moment without a visit. */
function leavableAtMs({ minRunMs }: GroupLimits, { readySinceMs, lastCallEndedMs }: Member): number {
  const callersLeftAtMs = lastCallEndedMs === undefined ? -Infinity : lastCallEndedMs + callerGraceMs
  return Math.min(readySinceMs! + minRunMs, callersLeftAtMs)
}

/** When a member may go that may not yet, unless calls come or end before. */
function nextChance(limits: GroupLimits, member: Member, nowMs: number): number {
  const { readySinceMs, visits, mayStopAtMs } = member
  const atMs = visits === 0 ? leavableAtMs(limits, member) : readySinceMs! + limits.maxRunMs
  const nextMs = Math.max(atMs, mayStopAtMs)
  return nextMs > nowMs ? nextMs : Infinity
}
