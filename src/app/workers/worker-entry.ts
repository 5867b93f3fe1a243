// The file that a worker thread runs: TypeScript in a checkout, a bundled file in the package.

export const workerEntry = import.meta.url.endsWith('.ts')
  ? new URL('./worker.ts', import.meta.url)
  : new URL('./worker.cjs', import.meta.url)
