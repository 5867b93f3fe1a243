/** Open calls at each provider, for choosing the least busy one. */
export class ProviderLoad {
  readonly #calls = new Map<string, number>()

  of(provider: string): number {
    return this.#calls.get(provider) ?? 0
  }

  /** Counts one more call; the returned function removes it again, once. */
  began(provider: string): () => void {
    this.#calls.set(provider, this.of(provider) + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#calls.set(provider, this.of(provider) - 1)
    }
  }
}
