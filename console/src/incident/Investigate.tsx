import { Link } from '@tanstack/react-router';

/** From something to what it did lately. */
export const Investigate = ({ of }: { of: string }) => (
  <Link to="/incident" search={{ ref: of }} className="link">
    What it did in the last 24 hours
  </Link>
);
