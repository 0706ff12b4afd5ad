// The one dialog. It stands above the page, so that what came of something is read even when what it was about is gone.
import { Modal } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useRouterState } from '@tanstack/react-router';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';

interface Dialog {
  title: string;
  body: (close: () => void) => ReactNode;
  closed?: () => void;
}

const Opener = createContext<(dialog: Dialog) => void>(() => {});

/** Opens a dialog. */
export const useDialog = () => useContext(Opener);

export function Dialogs({ children }: { children: ReactNode }) {
  const [dialog, open] = useState<Dialog>();
  const client = useQueryClient();
  const path = useRouterState({ select: (state) => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: who goes to another page is done with it
  useEffect(() => open(undefined), [path]);
  // The page behind it is made new only when one has read what came of it.
  const close = () => {
    dialog?.closed?.();
    open(undefined);
    client.invalidateQueries();
  };
  return (
    <Opener value={open}>
      {children}
      <Modal
        opened={dialog !== undefined}
        onClose={close}
        title={dialog?.title}
        size="lg"
        zIndex={250}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {dialog?.body(close)}
      </Modal>
    </Opener>
  );
}
