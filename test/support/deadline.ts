// Taken before a test can mock the timers: these guard the test itself and have to stay real.
const { clearTimeout, setTimeout } = globalThis

// Gateways of two threads took longer than 20 s to listen on two cores with 20 processes that were ready to run.
const deadlineMs = 60_000

/**
 * The promise itself, but one that never settles fails after a minute and says what was waited for, where the test runner
 * would only say that the test took too long. No test may depend on the time.
 */
export async function soon<T>(promise: Promise<T>, describe: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs / 1000} s for ${describe()}`)), deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Looks every few milliseconds until the condition is met, which nothing reports by itself. */
export async function until(isMet: () => boolean | Promise<boolean>, what: string): Promise<void> {
  // Looking on would keep the process of a failed test alive for ever.
  const over = new AbortController()
  const look = async () => {
    while (!over.signal.aborted && !(await isMet())) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  try {
    await soon(look(), () => what)
  } finally {
    over.abort()
  }
}
