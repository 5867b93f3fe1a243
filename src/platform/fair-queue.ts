// Who is next: round-robin between clients, within a client between its programs, first come first served within one.

/** Beyond so many programs of a client that wait at one time, the others share their turns. */
const maxPrograms = 16
/** Of those that share. Programs are numbered from 1 on. */
const otherPrograms = 0

/** Of one client: its programs in the order of their turns, each with its items. */
type Turns<T> = Map<number, T[]>

/** A queue of queues of queues. Removal is linear in one program's items; the caller bounds the length. */
export class FairQueue<T> {
  /** In the order of their turns: the first client's first program's first item is next. */
  readonly #byClient = new Map<string, Turns<T>>()
  /** Every item with the program under which it waits, in the order of arrival. */
  readonly #programs = new Map<T, number>()

  get length(): number {
    return this.#programs.size
  }

  /**
   * A client that is new to the queue gets the last turn, and so does a program among those of its client.
   * @param program from 1 on. Absent: one that shares its turns with all others that have none.
   */
  add(client: string, item: T, program = otherPrograms): void {
    let turns = this.#byClient.get(client)
    if (turns === undefined) {
      turns = new Map()
      this.#byClient.set(client, turns)
    }
    const place = turns.has(program) || turns.size < maxPrograms ? program : otherPrograms
    this.#programs.set(item, place)
    const own = turns.get(place)
    if (own === undefined) turns.set(place, [item])
    else own.push(item)
  }

  /** The item whose turn it is. It stays the first, whoever comes, until it is removed or its client's turns change. */
  first(): T | undefined {
    for (const turns of this.#byClient.values()) return firstOf(turns)
    return undefined
  }

  /** Of one client. */
  firstOf(client: string): T | undefined {
    const turns = this.#byClient.get(client)
    return turns && firstOf(turns)
  }

  /** Whether a call of this program waits. */
  has(client: string, program: number): boolean {
    return this.#byClient.get(client)?.has(program) === true
  }

  /** Gives an item's program the first turn of its client. */
  moveAhead(client: string, item: T): void {
    const turns = this.#byClient.get(client)!
    const program = this.#programs.get(item)!
    const others = Array.from(turns).filter(([each]) => each !== program)
    this.#byClient.set(client, new Map([[program, turns.get(program)!], ...others]))
  }

  /**
   * For a queue that is full: the newest item of the fullest program of the client that has the most, where that client
   * would still have at least as many as `client` with one more; else the same between the programs of `client` itself.
   * Undefined: it is `client`, or its program, that has to do without.
   */
  givesWayTo(client: string, program = otherPrograms): T | undefined {
    const own = this.#byClient.get(client)
    let [fullest, most] = [own, 0]
    for (const turns of this.#byClient.values()) {
      const count = countOf(turns)
      if (count > most) [fullest, most] = [turns, count]
    }
    if (most > countOf(own) + 1) return fullestOf(fullest).at(-1)
    const items = fullestOf(own)
    const ofProgram = own?.get(program) ?? []
    return items.length > ofProgram.length + 1 ? items.at(-1) : undefined
  }

  /** Sends the client whose turn it is to the end of the turns, and its program to the end of that client's. */
  passTurn(): void {
    for (const [client, turns] of this.#byClient) {
      this.#byClient.delete(client)
      this.#byClient.set(client, turns)
      for (const [program, own] of turns) {
        turns.delete(program)
        turns.set(program, own)
        return
      }
    }
  }

  /** As `passTurn`, of an item that waits, whether it is the first or not. */
  passTurnOf(client: string, item: T): void {
    const turns = this.#byClient.get(client)!
    const program = this.#programs.get(item)!
    const own = turns.get(program)!
    turns.delete(program)
    turns.set(program, own)
    this.#byClient.delete(client)
    this.#byClient.set(client, turns)
  }

  /** Takes an item out; its client and program keep their turns. False: it was not there. */
  remove(client: string, item: T): boolean {
    const program = this.#programs.get(item)
    if (program === undefined) return false
    this.#programs.delete(item)
    const turns = this.#byClient.get(client)!
    const own = turns.get(program)!
    own.splice(own.indexOf(item), 1)
    if (own.length === 0) turns.delete(program)
    if (turns.size === 0) this.#byClient.delete(client)
    return true
  }

  /** In the order of their turns, if all pass theirs one after the other and nobody comes. The queue must not change on the way. */
  inTurn(): Generator<T> {
    return alternating(Array.from(this.#byClient.values(), (turns) => alternating([...turns.values()])))
  }

  /** In the order of arrival. Items may be removed on the way. */
  [Symbol.iterator](): Iterator<T> {
    return this.#programs.keys()
  }
}

function firstOf<T>(turns: Turns<T>): T | undefined {
  for (const own of turns.values()) return own[0]
  return undefined
}

function countOf<T>(turns: Turns<T> | undefined): number {
  let count = 0
  if (turns !== undefined) for (const own of turns.values()) count += own.length
  return count
}

function fullestOf<T>(turns: Turns<T> | undefined): readonly T[] {
  let fullest: readonly T[] = []
  if (turns !== undefined) for (const own of turns.values()) if (own.length > fullest.length) fullest = own
  return fullest
}

/** One of each list in turn, until all have come to their end. */
function* alternating<T>(lists: readonly Iterable<T>[]): Generator<T> {
  let left = lists.map((list) => list[Symbol.iterator]())
  while (left.length > 0) {
    const remaining: Iterator<T>[] = []
    for (const each of left) {
      const next = each.next()
      if (next.done === true) continue
      remaining.push(each)
      yield next.value
    }
    left = remaining
  }
}
