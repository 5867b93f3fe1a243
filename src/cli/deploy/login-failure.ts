// What to do where ssh could not log in, by what it printed last.

/** By what OpenSSH's client and the system's resolver print: ssh(1), gai_strerror(3). */
const remedies: readonly (readonly [RegExp, (destination: string) => string])[] = [
  [
    /Permission denied|Too many authentication failures/,
    (destination) =>
      `The box does not accept your key for that account. To put your public key there (ssh-keygen makes one), run: ssh-copy-id ${destination}; where no password lets you in, add it to ~/.ssh/authorized_keys there. Or name the right key and user in ~/.ssh/config (IdentityFile, User). Which keys ssh offers: ssh -v ${destination}`,
  ],
  [
    /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/,
    (destination) =>
      `The host key is unknown, or another one than before. Connect once by hand and compare it: ssh ${destination}`,
  ],
  [
    /Could not resolve hostname/,
    () =>
      'That name is neither a host nor an alias of ~/.ssh/config here. Check its spelling, or use its address.',
  ],
  [
    /Connection refused|Connection timed out|No route to host|Network is unreachable/,
    () =>
      'No sshd answers there. Is the machine up, and is its port the one that ssh uses (Port in ~/.ssh/config)?',
  ],
]

/** @param words the last lines of ssh. @returns sentences: what has failed, and what to do. */
export function loginFailure(destination: string, words: string): string {
  const remedy = remedies.find(([pattern]) => pattern.test(words))?.[1]
  const next = remedy?.(destination) ?? `It has printed the reason. To try it, run: ssh ${destination}`
  return `ssh could not log in to ${destination}. ${next}`
}
