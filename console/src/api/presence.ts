// Live updates are for somebody who looks. They rest while the page is hidden, and when nobody has touched it for a
// while, so that a page that was left open does not keep its session alive.
import { focusManager } from '@tanstack/react-query';

/** Long enough to read a page, far below the half hour after which an unused session ends. */
export const UNATTENDED_MS = 300_000;
const LOOK_MS = 15_000;
const TOUCHES = ['pointermove', 'pointerdown', 'keydown', 'wheel', 'touchstart'];

/** Tells the queries whether somebody looks. What became old meanwhile is asked for at once when they are back. */
export function watchPresence() {
  focusManager.setEventListener((tell) => {
    let touched = Date.now();
    let looks = true;
    const look = () => {
      const now = document.visibilityState !== 'hidden' && Date.now() - touched < UNATTENDED_MS;
      if (now !== looks) tell(now);
      looks = now;
    };
    const touch = () => {
      touched = Date.now();
      if (!looks) look();
    };
    const came = () => (document.visibilityState === 'hidden' ? look() : touch());
    for (const name of TOUCHES) window.addEventListener(name, touch, { passive: true });
    document.addEventListener('visibilitychange', came);
    const timer = setInterval(look, LOOK_MS);
    return () => {
      for (const name of TOUCHES) window.removeEventListener(name, touch);
      document.removeEventListener('visibilitychange', came);
      clearInterval(timer);
    };
  });
}
