// Names that nobody else has, made of wanted ones by a number: `name`, `name-2`, `name-3`.

export class FreeNames {
  readonly #taken = new Set<string>()
  /** By wanted name, the number to go on with: a file may want one name thousands of times. */
  readonly #next = new Map<string, number>()

  /** @param isTaken by others than those that were taken here. */
  take(wanted: string, separator: string, isTaken: (name: string) => boolean = () => false): string {
    let number = this.#next.get(wanted) ?? 1
    let name: string
    do {
      name = number === 1 ? wanted : `${wanted}${separator}${number}`
      number += 1
    } while (this.#taken.has(name) || isTaken(name))
    this.#next.set(wanted, number)
    this.#taken.add(name)
    return name
  }
}
