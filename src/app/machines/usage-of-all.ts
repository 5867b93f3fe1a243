// What all machines have recorded. Each keeps a ledger of its own; a question goes over the store to all gateways that are there,
// and their answers come back over it and are added up here, each ledger once.
//
// Failure policy: what is missing is named. After five seconds the sum is of those that have answered; a gateway that does not
// know such questions is one that has not.
import { randomBytes } from 'node:crypto'
import type { StoreConnection } from '../../admission/stores/valkey/connection.ts'
import { newsChannel, storeKey } from '../../admission/stores/valkey/keys.ts'
import type { UsageAnswer } from '../../ledger/ledger.ts'
import { MergedReport } from '../../ledger/merge.ts'
import { quarterMs } from '../../ledger/quarter-sums.ts'
import type { MergedDimension, UsageCounts, UsageQuestion, UsageReport } from '../../ledger/report.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Member } from './members.ts'
import {
  answerPieces,
  type MachineAnswer,
  questionText,
  readAnswer,
  readPiece,
  readQuestionText,
} from './usage-messages.ts'

export interface UsageOfAllParts {
  readonly connection: Pick<StoreConnection, 'isUp' | 'run'>
  readonly prefix: string
  /** This gateway, and its host. */
  readonly member: string
  readonly host: string
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
  /** By the names of clients, where the ledger has pseudonyms. */
  readonly readUsage: (question: UsageQuestion) => Promise<UsageAnswer>
  /** Those that the store knows, this one included. @throws StoreFault */
  readonly members: () => Promise<readonly Member[]>
  readonly onBug: (error: unknown) => void
}

export interface UsageOfAllAnswer {
  readonly report: Omit<UsageReport, 'ledgerId'>
  /** This one first. */
  readonly machines: readonly MachineUsage[]
}

/** What became of the question at one machine. */
export interface MachineUsage {
  /** Its host name, with the start of its id where several have the same. */
  readonly name: string
  readonly id: string
  /**
   * `counted`; `same_ledger`: what it has is a copy of the ledger of a machine that is counted; `failed`: it has answered that it
   * cannot; `silent`: it is there and has not answered in time; `away`: it is not there, and was within the last day.
   */
  readonly state: 'counted' | 'same_ledger' | 'failed' | 'silent' | 'away'
  /** Why it failed, or whose ledger it is. */
  readonly reason: string | undefined
  readonly total: UsageCounts | undefined
  readonly lastSeenMs: number
}

const waitMs = 5_000
/** A question stands so long, and an answer. */
const keptMs = 60_000
/** A gateway that has just lost its connection hears the second question. */
const askEveryMs = 1_000
/** Without news of an answer. */
const collectEveryMs = 200
/** While another answer is being collected. */
const fullMs = 100
const maxWaitingPieces = 64
/** Of answers that are not complete: 64 MiB. */
const maxKeptPieces = 1_024
const maxAtOnce = 4
/** Nobody waits for a call's decision here. */
const runTimeoutMs = 2_000
const maxRemembered = 100

/** Of a machine and its host: processes of both share a ledger, and a copied state directory is on another host. */
type PlaceName = string

export class UsageOfAll {
  readonly #parts: UsageOfAllParts
  readonly #heard = new Set<string>()
  /** Wakes who collects answers, by the question's id. */
  readonly #waiting = new Map<string, () => void>()
  #asking = 0
  #answering = 0

  constructor(parts: UsageOfAllParts) {
    this.#parts = parts
  }

  /** Takes a message of the channel: `ask ID` or `answered ID`. */
  hear(message: string): void {
    const [kind, id = ''] = message.split(' ')
    if (kind === 'answered') this.#waiting.get(id)?.()
    if (kind !== 'ask' || this.#waiting.has(id) || this.#heard.has(id)) return
    if (!/^[0-9a-f]{24}$/.test(id) || this.#answering >= maxAtOnce) return
    if (this.#heard.size >= maxRemembered) this.#heard.clear()
    this.#heard.add(id)
    this.#answering += 1
    this.#answer(id)
      // The connection is down, and says so itself.
      .catch(() => {})
      // Whoever floods the channel with questions has the store asked for some of them.
      .finally(() => this.#parts.clock.setTimer(() => (this.#answering -= 1), fullMs))
  }

  /**
   * @param by the dimensions of the answer, in order: those of the question, and `machine` where the rows of machines are told apart.
   * @throws StoreFault while the store cannot be asked who is there; Error when too many ask.
   */
  async ask(question: UsageQuestion, by: readonly MergedDimension[]): Promise<UsageOfAllAnswer> {
    if (this.#asking >= maxAtOnce) throw new Error('too many ask at the same time; try again')
    this.#asking += 1
    try {
      return await this.#ask(question, by)
    } finally {
      this.#asking -= 1
    }
  }

  async #ask(question: UsageQuestion, by: readonly MergedDimension[]): Promise<UsageOfAllAnswer> {
    const { member, host, members } = this.#parts
    const places = placesOf(await members(), { member, host })
    const sum = new Sum(question, by)
    const [own, ...others] = places
    const wanted = new Set(others.filter(({ isHere }) => isHere).map(({ id }) => id))
    const byMember = new Map(others.flatMap((place) => place.members.map((id) => [id, place.id])))
    const answers = new Map<PlaceName, MachineAnswer>()
    const [ownAnswer] = await Promise.all([
      this.#own(question),
      wanted.size === 0 ? undefined : this.#collect(question, { wanted, byMember, answers }),
    ])
    sum.add(own!, ownAnswer)
    for (const place of others) sum.add(place, answers.get(place.id))
    return sum.answer()
  }

  async #own(question: UsageQuestion): Promise<MachineAnswer> {
    const { state, report } = await this.#parts.readUsage(question)
    if (report !== undefined) return { kind: 'report', report }
    const reason =
      state === undefined ? 'it records nothing' : `its ledger cannot be read: ${state.reason ?? state.state}`
    return { kind: 'fault', reason }
  }

  async #collect(question: UsageQuestion, { wanted, byMember, answers }: Collection): Promise<void> {
    const { clock } = this.#parts
    const id = randomBytes(12).toString('hex')
    const untilMs = clock.now() + waitMs
    const text = questionText(question)
    const pieces: Pieces['pieces'] = new Map()
    let askAtMs = -Infinity
    // Registered before it is asked: this gateway hears its own question too.
    this.#waiting.set(id, () => {})
    try {
      while (wanted.size > 0 && clock.now() < untilMs) {
        if (clock.now() >= askAtMs) {
          await this.#run('ask', id, [text, keptMs, newsChannel(this.#parts.prefix), id])
          askAtMs = clock.now() + askEveryMs
        }
        const piece = await this.#run('collect', id, [0])
        if (typeof piece !== 'string') await this.#news(id)
        else await this.#take(piece, { wanted, byMember, answers, pieces })
      }
      await this.#run('collect', id, [1])
    } catch {
      // Who has answered until then is counted; the others are named.
    } finally {
      this.#waiting.delete(id)
    }
  }

  async #take(text: string, { wanted, byMember, answers, pieces }: Collection & Pieces): Promise<void> {
    const piece = readPiece(text)
    const place = piece && byMember.get(piece.member)
    if (piece === undefined || place === undefined || !wanted.has(place)) return
    let parts = pieces.get(piece.member)
    if (parts === undefined) pieces.set(piece.member, (parts = new Map()))
    parts.set(piece.index, piece.part)
    const kept = [...pieces.values()].reduce((count, { size }) => count + size, 0)
    // Of no gateway.
    if (kept > maxKeptPieces) pieces.clear()
    if (parts.size < piece.count) return
    pieces.delete(piece.member)
    const inOrder = [...parts].toSorted(([one], [other]) => one - other).map(([, part]) => part)
    answers.set(place, await readAnswer(inOrder))
    wanted.delete(place)
  }

  #news(id: string): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#parts.clock.setTimer(resolve, collectEveryMs)
      this.#waiting.set(id, () => {
        stop()
        resolve()
      })
    })
  }

  async #answer(id: string): Promise<void> {
    const { member, prefix, clock, onBug } = this.#parts
    const text = await this.#run('read-question', id, [])
    if (typeof text !== 'string') return
    const question = readQuestionText(text)
    const answer: MachineAnswer =
      typeof question === 'string' ? { kind: 'fault', reason: question } : await this.#own(question)
    const pieces = await answerPieces(member, answer).catch((error: unknown) => {
      onBug(error)
      return []
    })
    const untilMs = clock.now() + waitMs
    for (let at = 0; at < pieces.length && clock.now() < untilMs;) {
      const args = [pieces[at]!, keptMs, maxWaitingPieces, newsChannel(prefix), id]
      const reply = await this.#run('answer', id, args)
      if (reply === 'over') return
      if (reply === 'ok') at += 1
      else await new Promise<void>((resolve) => clock.setTimer(resolve, fullMs))
    }
  }

  #run(
    script: 'answer' | 'ask' | 'collect' | 'read-question',
    id: string,
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const { connection, prefix } = this.#parts
    const keys = [storeKey(prefix, 'epoch'), storeKey(prefix, 'ask', id)]
    if (script === 'answer' || script === 'collect') keys.push(storeKey(prefix, 'answer', id))
    return connection.run(script, keys, args, runTimeoutMs)
  }
}

interface Collection {
  /** Those that have not answered. */
  readonly wanted: Set<PlaceName>
  readonly byMember: ReadonlyMap<string, PlaceName>
  readonly answers: Map<PlaceName, MachineAnswer>
}

interface Pieces {
  /** By gateway, and their place in its answer. */
  readonly pieces: Map<string, Map<number, string>>
}

/** A machine on a host. */
interface Place {
  readonly id: PlaceName
  readonly machine: string
  readonly host: string
  readonly name: string
  readonly isHere: boolean
  readonly members: readonly string[]
  readonly lastSeenMs: number
}

/** The own one first. @param members the newest first. */
function placesOf(
  members: readonly Member[],
  own: { readonly member: string; readonly host: string },
): Place[] {
  const machine = own.member.slice(0, own.member.indexOf('.'))
  const self = { id: own.member, machine, host: own.host, state: 'here', seenMs: Infinity } as const
  const groups = Map.groupBy([self, ...members], (member) => `${member.machine}@${member.host}`)
  const names = namesOf([...groups.values()].map(([first]) => first!))
  return [...groups].map(([id, group], index) => ({
    id,
    machine: group[0]!.machine,
    host: group[0]!.host,
    name: names[index]!,
    isHere: group.some(({ state }) => state === 'here'),
    members: group.map((member) => member.id),
    lastSeenMs: group.find(({ seenMs }) => seenMs !== Infinity)?.seenMs ?? Infinity,
  }))
}

/** The host's name where no other machine has it. */
export function namesOf(machines: readonly { readonly host: string; readonly machine: string }[]): string[] {
  return machines.map(({ host, machine }) =>
    machines.filter((each) => each.host === host).length > 1 ? `${host} (${machine.slice(0, 8)})` : host,
  )
}

/** Adds answers up, each ledger once. */
class Sum {
  readonly #question: UsageQuestion
  readonly #merged: MergedReport
  readonly #machines: MachineUsage[] = []
  /** Ledger → who has it. */
  readonly #ledgers = new Map<string, Place>()

  constructor(question: UsageQuestion, by: readonly MergedDimension[]) {
    this.#question = question
    this.#merged = new MergedReport(by)
  }

  add(place: Place, answer: MachineAnswer | undefined): void {
    const { name, machine: id, lastSeenMs } = place
    const machine = { name, id, lastSeenMs, reason: undefined, total: undefined }
    if (answer === undefined) {
      this.#machines.push({ ...machine, state: place.isHere ? 'silent' : 'away' })
      return
    }
    if (answer.kind === 'fault') {
      this.#machines.push({ ...machine, state: 'failed', reason: answer.reason })
      return
    }
    const { report } = answer
    const holder = this.#ledgers.get(report.ledgerId)
    if (holder !== undefined) {
      this.#machines.push({ ...machine, state: 'same_ledger', reason: holder.name })
      return
    }
    this.#ledgers.set(report.ledgerId, place)
    this.#merged.add(name, report)
    this.#machines.push({ ...machine, state: 'counted', total: report.total })
  }

  answer(): UsageOfAllAnswer {
    const { zone } = this.#question
    const sinceMs = Math.floor(this.#question.sinceMs / quarterMs) * quarterMs
    const untilMs = Math.ceil(this.#question.untilMs / quarterMs) * quarterMs
    return { report: { sinceMs, untilMs, zone, ...this.#merged.report() }, machines: this.#machines }
  }
}
