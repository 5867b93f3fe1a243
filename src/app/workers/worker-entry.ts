// Where a worker thread begins: the one place that knows.

/** TypeScript in the sources, one bundled file in the package. */
export const workerEntry = import.meta.url.endsWith('.ts')
  ? new URL('./worker.ts', import.meta.url)
  : new URL('./worker.cjs', import.meta.url)
